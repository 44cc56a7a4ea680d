"""What the service wrote itself, in seven languages, and what only looks like it."""

from __future__ import annotations

import pytest

from engine.conversation import Kind
from engine.importers.wording import ANONYMOUS, beginnings, wording

A, C, E, R, U = Kind.ATTACHMENT, Kind.CALL, Kind.EVENT, Kind.REACTION, Kind.UNSENT


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Zoë Lee sent an attachment.", A),
        ("Zoë Lee started an audio call.", C),
        ("Video chat ended", C),
        ("Zoë started a video chat", C),
        ("Zoë started sharing video.", C),
        ("A contact called you.", C),
        ("A contact added participants.", E),
        ("Zoë is now an admin.", E),
        ("Zoë set disappearing messages to 24 hours.", E),
        (
            "Messages and calls are secured with end-to-end encryption. Learn more.",
            E,
        ),
        ("Reacted 😂 to your message ", R),
        ("Zoë hat einen Anhang gesendet.", A),
        ("Hat mit ❤ auf deine Nachricht reagiert ", R),
        ("Du hast einen Anruf von Zoë verpasst.", C),
        ("Zoë hat dich angerufen.", C),
        ("Zoë Lee hat die Gruppe verlassen.", E),
        ("Zoë hat eine Nachricht zurückgenommen.", U),
        ("Zoë hat ein Foto gesendet.", A),
        ("Zoë ist der Gruppe beigetreten.", E),
        ("Zoë hat den Spitznamen von Bob auf Bobby geändert.", E),
        ("Zoë hat einen Videochat gestartet.", C),
        ("Der Anruf wurde beendet.", C),
        ("Ihr seid jetzt auf Messenger verbunden", E),
        ("Zoë a envoyé une pièce jointe.", A),
        ("Zoë a envoyé un autocollant.", A),
        ("Zoë a créé un sondage : Où ?.", E),
        ("Zoë a défini votre pseudo sur Loutre.", E),
        ("Zoë a modifié les couleurs de la discussion.", E),
        ("Zoë a défini l’emoji sur 🦦.", E),
        ("Zoë a rejoint l’appel vidéo de groupe.", C),
        ("Zoë a démarré une discussion vidéo.", C),
        ("L’appel est terminé.", C),
        ("Vous êtes maintenant connectés sur Messenger", E),
        ("A réagi 😂 à votre message ", R),
        ("Vous avez manqué un appel de Zoë.", C),
        ("Zoë a quitté le groupe.", E),
        ("Zoë a retiré un message.", U),
        ("Zoë envió un archivo adjunto.", A),
        ("Reaccionó con 👍 a tu mensaje ", R),
        ("Perdiste una llamada de Zoë.", C),
        ("Zoë te envió un archivo adjunto.", A),
        ("Zoë añadió a Bob al grupo.", E),
        ("Zoë cambió el tema del chat a Amor.", E),
        ("Este mensaje fue eliminado.", U),
        ("Zoë anuló el envío de un mensaje", U),
        ("Zoë ha inviato un allegato.", A),
        ("Ha reagito con ❤ al tuo messaggio ", R),
        ("Hai perso una chiamata di Zoë.", C),
        ("Zoë ha abbandonato il gruppo.", E),
        ("Zoë ha creato un sondaggio: dove?.", E),
        ("Zoë ha annullato l’invio di un messaggio.", U),
        ("Zoë enviou um anexo.", A),
        ("Reagiu com 😂 à sua mensagem ", R),
        ("Você perdeu uma ligação de Zoë.", C),
        ("Zoë saiu do grupo.", E),
        ("Zoë enviou uma mensagem de voz.", A),
        ("Zoë alterou a foto do grupo.", E),
        ("Zoë cancelou o envio de uma mensagem", U),
        ("Zoë Leeさんが添付ファイルを送信しました。", A),
        ("メッセージに「😂」とリアクションしました ", R),
        ("Zoë Leeさんが写真を送信しました。", A),
        ("ビデオ通話が終了しました。", C),
        ("Zoë Leeさんからの着信に応答できませんでした。", C),
        ("Zoë Leeさんがグループを退出しました。", E),
        ("Zoë Leeさんがメッセージの送信を取り消しました。", U),
    ],
)
def test_the_service_speaks(text: str, kind: Kind) -> None:
    assert wording(text, "Zoë Lee", "Me") is kind
    assert not text[:2].isascii() or text[:2] in beginnings("Zoë Lee", "Me")


@pytest.mark.parametrize(
    "text",
    [
        "Reacted 😂 to your message ",
        "Liked a message",
        "Hat mit ❤ auf deine Nachricht reagiert ",
        "❤️ auf deine Nachricht reagiert",
        "Gefällt eine Nachricht",
        "A réagi 👍🏽 à votre message ",
        "A aimé un message",
        "Reaccionó con 👍 a tu mensaje ",
        "Reaccionó 👍 a tu mensaje",
        "Le gustó un mensaje",
        "Ha aggiunto la reazione ❤ al tuo messaggio",
        'Ha messo "Mi piace" a un messaggio',
        "Reagiu com 👩‍🚀 à sua mensagem",
        "Curtiu uma mensagem",
        "メッセージに「😂」でリアクションしました ",
        "メッセージに「いいね！」しました",
    ],
)
@pytest.mark.parametrize("sender", ["Zoë Lee", "zoe.lee", "Me"])  # a name, an Instagram handle, the owner
def test_a_reaction_that_is_written_as_a_message(text: str, sender: str) -> None:
    assert wording(text, sender, "Me") is R


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Du hast einen Anhang gesendet.", A),
        ("Compartiste una historia.", A),
        ("Hai condiviso la tua posizione.", A),
        ("Vous avez envoyé une pièce jointe.", A),
        ("Enviaste un archivo adjunto.", A),
        ("Hai inviato un allegato.", A),
        ("Você enviou um anexo.", A),
        ("添付ファイルを送信しました。", A),
        ("Hai lasciato il gruppo.", E),
    ],
)
def test_to_the_owner_only(text: str, kind: Kind) -> None:
    assert wording(text, "Me", "Me") is kind
    assert not text[:2].isascii() or text[:2] in beginnings("Me", "Me")
    assert wording(text, "Zoë Lee", "Me") is None  # a person says it to the owner


@pytest.mark.parametrize(
    "text",
    [
        "er hat einen Anhang gesendet.",
        "Bob hat die Gruppe verlassen.",
        "Hat mit Absicht auf deine Nachricht reagiert",
        "A réagi hier à votre message",
        "A réagi échaudé à votre message",
        "Cambiaste la foto.",
        "La llamada de ayer terminó mal.",
        "😂 er hat auf nichts reagiert",
        "Messengerで話そう",
        "Ha reagito con calma al tuo messaggio",
        "Perdiste el tren de las ocho.",
        "Você perdeu uma festa de arromba.",
        "Bobさんがグループを退出しました。",
        "添付ファイルを見た?",
        "你好",
        "A contact added me there.",
        "Messages and calls are expensive.",
        "You started the chat",
        "",
        "Zoë",
    ],
)
def test_people_speak(text: str) -> None:
    assert wording(text, "Zoë Lee", "Me") is None


def test_a_deleted_account_may_have_any_of_its_names() -> None:
    for text in ("Instagram User sent an attachment.", "Facebook-Nutzer hat einen Anhang gesendet."):
        assert wording(text, ANONYMOUS, "Me") is A
        assert wording(text, "Zoë Lee", "Me") is None
