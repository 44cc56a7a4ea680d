"""Sentences that Messenger and Instagram write themselves, in the language of the account.

They stand where a person's words stand and are no speech. Only asked where the fields of a message say
nothing. A sentence counts only when it starts with the sender's own name (in full or its first
words), or with "You" where the owner wrote (in some languages the verb alone says so), because
people say "he left the group" to each other.
"""

from __future__ import annotations

import re
from functools import lru_cache

from engine.conversation import Kind

ANONYMOUS = "Facebook user"  # what every deleted account is called

_WHOLE = {
    "Liked a message": Kind.REACTION,
    "User unsent a message": Kind.UNSENT,
    "You unsent a message": Kind.UNSENT,
    "This message was unsent": Kind.UNSENT,
    "You are now connected on Messenger": Kind.EVENT,
    "You can now message and call each other": Kind.EVENT,
    "Failed to download media": Kind.ATTACHMENT,
}
_REACTED = re.compile(r"Reacted [^\x00-\x7f]\S{0,20} to your message ?")
_SAY_HI = re.compile(r"Say hi to your new (Facebook|Instagram|Messenger) friend(, .+)?\.?")
_CONNECTED = re.compile(r"You can now (message and )?call each other.*")
_CALL_OVER = re.compile(r"The ((video|audio|voice) )?(call|chat) (has )?ended\.?")
_MISSED = re.compile(r"You missed an? ((video|audio|voice|group) )?(call|chat) (from|with) .+\.?")

_AFTER_NAME: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.ATTACHMENT,
        re.compile(
            r"(sent|shared) (an?|\d+) (attachment|photo|video|picture|image|sticker|GIF|voice message|audio"
            r"|file|link|post|story|reel|location|live location|contact)s?\."
        ),
    ),
    (
        Kind.CALL,
        re.compile(
            r"called you\.|called [A-Z]\S*( [A-Z]\S*){0,3}\."
            r"|missed (your|an?) ((video|audio|voice) )?(call|chat)\."
            r"|(started|joined|left|ended) (a|the) ((group|video|audio|voice) )*(call|chat)\."
        ),
    ),
    (Kind.UNSENT, re.compile(r"unsent a message\.?")),
    (Kind.REACTION, re.compile(r"liked a message\.?")),
    (
        Kind.EVENT,
        re.compile(
            r"(named the (group|chat|plan) .+|created (the|a|this) (group|plan|poll|reminder|event)\b.*"
            r"|(added|removed) .+ (to|from) the (group|chat)|(left|joined) the (group|chat)"
            r"|made .+ (a|an|the) (group )?admin|removed .+ as (a|an|the) (group )?admin"
            r"|(set|cleared|removed|changed) ((the|your|his|her|their|its) (own )?|.+['’]s? )nickname\b.*"
            r"|(changed|set|removed) the (chat |group )?(theme|colou?rs?|photo|name|emoji|quick reaction)\b.*"
            r"|(un)?pinned a message|voted for .+|changed (the|your|his|her|their) vote to .+"
            r"|removed (the|your|his|her|their) vote for .+|responded (Going|Maybe|Can['’]t Go)\b.*"
            r"|(started|stopped) sharing ((a|your|his|her|their|the) )?(live )?location\b.*"
            r"|turned (on|off) (disappearing messages|member approval|vanish mode)\b.*)\."
            r"|waved( hello)?( (at|to) .+)?[.!]"
        ),
    ),
)


# The same in German, French, Spanish, Italian, Portuguese and Japanese.
_EMOJI = r"[^\x00-\x7f]\S{0,20}"
_ANYBODY: tuple[tuple[Kind, str], ...] = (
    (Kind.REACTION, rf"(Hat mit )?{_EMOJI} auf (deine|Ihre) Nachricht reagiert|Hat mit {_EMOJI} reagiert"),
    (Kind.REACTION, rf"A réagi (avec )?{_EMOJI} à (votre|ton) message"),
    (Kind.REACTION, rf"(Reaccionó|Ha reaccionado) (con )?{_EMOJI} a tu mensaje"),
    (Kind.REACTION, rf"Ha reagito (con )?{_EMOJI} al tuo messaggio"),
    (Kind.REACTION, rf"Reagiu (com )?{_EMOJI} à (sua|tua) mensagem"),
    (Kind.REACTION, rf"(あなたの)?メッセージに「?{_EMOJI[:-6]}[^」]{{0,20}}」?(と|で)リアクションしました"),
    (Kind.CALL, r"Du hast einen (Anruf|Videoanruf|Audioanruf|Videochat) von .+ verpasst\."),
    (Kind.CALL, r"Vous avez manqué un appel( vidéo| audio)? de .+\."),
    (Kind.CALL, r"(Perdiste|Tienes) una (vídeollamada |videollamada |llamada )(perdida )?de .+\."),
    (Kind.CALL, r"Hai perso una (chiamata|videochiamata) (di|da) .+\."),
    (Kind.CALL, r"Você perdeu uma (ligação|chamada)( de vídeo)? de .+\."),
)
_OWNER_ALONE: tuple[tuple[Kind, str], ...] = (
    (Kind.ATTACHMENT, r"(Enviaste|Has enviado) un archivo adjunto\."),
    (Kind.ATTACHMENT, r"Hai inviato un allegato\."),
    (Kind.ATTACHMENT, r"添付ファイルを送信しました。"),
    (Kind.EVENT, r"(Saliste del|Abandonaste el) grupo\.|(Has salido del|Has abandonado el) grupo\."),
    (Kind.EVENT, r"(Hai lasciato|Hai abbandonato) il gruppo\."),
    (Kind.UNSENT, r"(Anulaste|Has anulado) el envío de un mensaje\.?"),
    (Kind.UNSENT, r"Hai annullato l['’]invio di un messaggio\.?|メッセージの送信を取り消しました。?"),
)
_NAMED: tuple[tuple[Kind, str], ...] = (
    (Kind.ATTACHMENT, r"(hat|hast) einen Anhang gesendet\.|(a|avez) envoyé une pièce jointe\."),
    (Kind.ATTACHMENT, r"(envió|ha enviado) un archivo adjunto\.|ha inviato un allegato\.|enviou um anexo\."),
    (Kind.ATTACHMENT, r"添付ファイルを送信しました。"),
    (Kind.CALL, r"hat dich angerufen\.|vous a appelée?\.|vous a appelé\(e\)\.|te (llamó|ha llamado)\."),
    (Kind.CALL, r"ti ha chiamat[oa]\.|ligou para você\.|(あなたに)?電話(を)?(かけ|し)ました。"),
    (Kind.CALL, r"の(ビデオ通話|音声通話|通話|着信)に(応答できませんでした|出られませんでした)。"),
    (Kind.UNSENT, r"(hat|hast) eine Nachricht zurück(genommen|gezogen|gerufen)\.?"),
    (Kind.UNSENT, r"(a|avez) (retiré un message|annulé l['’]envoi d['’]un message)\.?"),
    (Kind.UNSENT, r"(anuló|ha anulado) el envío de un mensaje\.?|ha annullato l['’]invio di un messaggio\.?"),
    (Kind.UNSENT, r"cancelou o envio de uma mensagem\.?|メッセージの送信を取り消しました。?"),
    (
        Kind.EVENT,
        r"(hat|hast) (die Gruppe (verlassen|.+ genannt)|.+ (zur|aus der) Gruppe (hinzugefügt|entfernt))\.",
    ),
    (Kind.EVENT, r"(a|avez) (quitté le groupe|nommé le groupe .+|(ajouté|retiré) .+ (au|du) groupe)\."),
    (
        Kind.EVENT,
        r"(abandonó el|salió del|ha abandonado el|ha salido del) grupo\.|(nombró|ha nombrado) el grupo .+\.",
    ),
    (Kind.EVENT, r"(añadió|agregó|eliminó|ha añadido|ha eliminado) a .+ (al|del) grupo\."),
    (Kind.EVENT, r"ha (lasciato|abbandonato) il gruppo\.|ha (aggiunto|rimosso) .+ (al|dal) gruppo\."),
    (Kind.EVENT, r"saiu do grupo\.|(adicionou|removeu) .+ (ao|do) grupo\.|nomeou o grupo .+\."),
    (
        Kind.EVENT,
        r"(グループを退出しました|グループ(名)?を.+に(変更|設定)しました|.+さんを(追加|削除)しました)。",
    ),
)
_COMPILED = {
    table: tuple((kind, re.compile(pattern)) for kind, pattern in table)
    for table in (_ANYBODY, _OWNER_ALONE, _NAMED)
}
_FIRST = (
    "You The Reacted Say Liked User This Failed Hat A Reaccionó Ha Reagiu Du Vous Perdiste Tienes Hai Você"
    " Enviaste Has Saliste Abandonaste Anulaste"
)
_FIRST_WORDS = frozenset(_FIRST.split())


def wording(text: str, sender: str, owner: str | None) -> Kind | None:
    """What `text` is when the service wrote it, else None (somebody's own words)."""
    may_be_owner = owner is None or sender == owner
    if text.partition(" ")[0] in _FIRST_WORDS or not text[:1].isascii():
        trimmed = text.rstrip(" ")
        kind = _WHOLE.get(text.rstrip(" ."))
        if kind is not None:
            return kind
        if _REACTED.fullmatch(text):
            return Kind.REACTION
        if _CALL_OVER.fullmatch(text) or _MISSED.fullmatch(text):
            return Kind.CALL
        if _SAY_HI.fullmatch(text) or _CONNECTED.fullmatch(text):
            return Kind.EVENT
        for kind, pattern in (*_COMPILED[_ANYBODY], *(_COMPILED[_OWNER_ALONE] if may_be_owner else ())):
            if pattern.fullmatch(trimmed):
                return kind
    names = _names(sender, may_be_owner)
    if not text.startswith(names):
        return None
    for name in names:
        if text.startswith(name):
            rest = text[len(name) :]
            for kind, pattern in (*_AFTER_NAME, *_COMPILED[_NAMED]):
                if pattern.fullmatch(rest):
                    return kind
    return None


@lru_cache(maxsize=4096)
def _names(sender: str, may_be_owner: bool) -> tuple[str, ...]:
    """How a sentence of the service may call its sender, longest first, with what stands behind it."""
    words = sender.split()
    names = [" ".join(words[:count]) + " " for count in range(len(words), 0, -1)] or [f"{ANONYMOUS} "]
    if may_be_owner:
        names += ["You ", "Du ", "Vous ", "Você "]
    return (f"{sender}さんが", f"{sender}さんから", f"{sender}が", *names)
