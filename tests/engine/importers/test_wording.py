"""What the service wrote itself, in seven languages, and what only looks like it."""

from __future__ import annotations

import pytest

from engine.conversation import Kind
from engine.importers.wording import wording

A, C, E, R, U = Kind.ATTACHMENT, Kind.CALL, Kind.EVENT, Kind.REACTION, Kind.UNSENT


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Zoë Lee sent an attachment.", A),
        ("Reacted 😂 to your message ", R),
        ("Zoë hat einen Anhang gesendet.", A),
        ("Hat mit ❤ auf deine Nachricht reagiert ", R),
        ("Du hast einen Anruf von Zoë verpasst.", C),
        ("Zoë hat dich angerufen.", C),
        ("Zoë Lee hat die Gruppe verlassen.", E),
        ("Zoë hat eine Nachricht zurückgenommen.", U),
        ("Zoë a envoyé une pièce jointe.", A),
        ("A réagi 😂 à votre message ", R),
        ("Vous avez manqué un appel de Zoë.", C),
        ("Zoë a quitté le groupe.", E),
        ("Zoë a retiré un message.", U),
        ("Zoë envió un archivo adjunto.", A),
        ("Reaccionó con 👍 a tu mensaje ", R),
        ("Perdiste una llamada de Zoë.", C),
        ("Zoë añadió a Bob al grupo.", E),
        ("Zoë anuló el envío de un mensaje", U),
        ("Zoë ha inviato un allegato.", A),
        ("Ha reagito con ❤ al tuo messaggio ", R),
        ("Hai perso una chiamata di Zoë.", C),
        ("Zoë ha abbandonato il gruppo.", E),
        ("Zoë ha annullato l’invio di un messaggio.", U),
        ("Zoë enviou um anexo.", A),
        ("Reagiu com 😂 à sua mensagem ", R),
        ("Você perdeu uma ligação de Zoë.", C),
        ("Zoë saiu do grupo.", E),
        ("Zoë cancelou o envio de uma mensagem", U),
        ("Zoë Leeさんが添付ファイルを送信しました。", A),
        ("メッセージに「😂」とリアクションしました ", R),
        ("Zoë Leeさんからの着信に応答できませんでした。", C),
        ("Zoë Leeさんがグループを退出しました。", E),
        ("Zoë Leeさんがメッセージの送信を取り消しました。", U),
    ],
)
def test_the_service_speaks(text: str, kind: Kind) -> None:
    assert wording(text, "Zoë Lee", "Me") is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Du hast einen Anhang gesendet.", A),
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
    assert wording(text, "Zoë Lee", "Me") is None  # a person says it to the owner


@pytest.mark.parametrize(
    "text",
    [
        "er hat einen Anhang gesendet.",
        "Bob hat die Gruppe verlassen.",
        "Hat mit Absicht auf deine Nachricht reagiert",
        "A réagi hier à votre message",
        "Ha reagito con calma al tuo messaggio",
        "Perdiste el tren de las ocho.",
        "Você perdeu uma festa de arromba.",
        "Bobさんがグループを退出しました。",
        "添付ファイルを見た?",
        "你好",
        "",
        "Zoë",
    ],
)
def test_people_speak(text: str) -> None:
    assert wording(text, "Zoë Lee", "Me") is None
