"""Sentences that Messenger and Instagram write themselves, in the language of the account.

They stand where a person's words stand and are no speech. Only asked where the fields of a message say
nothing. A sentence counts only when it starts with the sender's own name (in full or its first
words), or with "You" where the owner wrote (in some languages the verb alone says so), because
people say "he left the group" to each other.

A reaction that is written as a message ("Reacted ❤ to your message ", "Liked a message") stays a row of
its own of kind REACTION in every language and on Instagram too, as the export does not say which
message it was for.
"""

from __future__ import annotations

import re
from functools import lru_cache

from engine.conversation import Kind

ANONYMOUS = "Facebook user"  # what every deleted account is called
_GONE = tuple(
    name.format(service)
    for service in ("Facebook", "Instagram")
    for name in (
        "{} user", "{} User", "{}-Nutzer", "{}-Nutzerin", "{}-Benutzer", "Utilisateur {}",
        "Utilisateur de {}", "Usuario de {}", "Utente di {}", "Utente {}", "Usuário do {}",
        "Utilizador do {}", "{}ユーザー", "{} ユーザー",
    )
)  # fmt: skip
ANONYMOUS_NAMES = frozenset(["", "messenger user", *(name.casefold() for name in _GONE)])
"""The names of deleted accounts, casefolded."""

_EMOJI = r"[^\w\s\x00-\x7f]\S{0,20}"
_EMOJI_JA = r"[^\w\s\x00-\x7f][^」\s]{0,20}"
_QUOTED_LIKE = r"[\"“”„«‘’']\s?{}\s?[\"“”»‘’']"
_THING_FR = (
    r"(une pièce jointe|une photo|une vidéo|un (message vocal|autocollant|sticker|GIF|lien|fichier|contact)"
    r"|une? (publication|story|reel)|(une|sa) position( en direct)?|\d+ (photos|vidéos|pièces jointes))"
)
_THING_ES = (
    r"(un archivo adjunto|una foto|un v[ií]deo|una nota de voz|un mensaje de voz|un (sticker|GIF|enlace"
    r"|contacto|archivo|reel)|una (publicación|historia|encuesta)|(una|su|tu) ubicación( en vivo)?"
    r"|\d+ (fotos|v[ií]deos|archivos adjuntos))"
)
_THING_IT = (
    r"(un allegato|una foto|un video|un messaggio vocale|un (adesivo|link|file|contatto|reel|post)"
    r"|una GIF|una storia|(una|la sua|la tua) posizione|\d+ (foto|video|allegati))"
)
_THING_PT = (
    r"(um anexo|uma foto|um vídeo|uma mensagem de (voz|áudio)|um (áudio|sticker|GIF|link|arquivo|ficheiro"
    r"|contato|contacto|reel|story)|uma (figurinha|publicação|história)|(uma|sua) localização"
    r"|\d+ (fotos|vídeos|anexos))"
)
_THING_JA = (
    r"(添付ファイル|写真|動画|ボイスメッセージ|音声メッセージ|スタンプ|GIF|リンク|位置情報|投稿|ストーリーズ)"
)

# What anybody's row may say as a whole, without a name. Pieces that are not of our own making were seen
# in exports; the trailing full stop is left out where it may be missing.
_ANYBODY: tuple[tuple[Kind, str], ...] = (
    (Kind.REACTION, rf"Reacted {_EMOJI} to (your|a) message|Liked a message\.?"),
    (Kind.UNSENT, r"User unsent a message\.?|You unsent a message\.?|This message was (unsent|deleted)\.?"),
    (Kind.ATTACHMENT, r"Failed to download media"),
    (Kind.CALL, r"The ((video|audio|voice) )?(call|chat) (has )?ended\.?|(Video|Audio) (call|chat) ended\.?"),
    (Kind.CALL, r"You missed an? ((video|audio|voice|group) )?(call|chat) (from|with) .+\.?"),
    (Kind.EVENT, r"You are now connected on Messenger\.?|You can now (message and )?call each other.*"),
    (Kind.EVENT, r"Say hi to your new (Facebook|Instagram|Messenger) friend(, .+)?\.?"),
    (Kind.EVENT, r"Messages and calls are (secured|protected) with end-to-end encryption\..*"),
    (Kind.CALL, r"A contact (called you|missed your ((video|audio|voice) )?(call|chat))\."),
    (
        Kind.EVENT,
        r"A contact ((added|removed) participants|(left|joined|created) the group|named the group .+"
        r"|changed the group photo)\.",
    ),
    # German
    (
        Kind.REACTION,
        rf"(Hat mit )?{_EMOJI} auf (deine|Ihre|eine) Nachricht reagiert|Hat mit {_EMOJI} reagiert",
    ),
    (Kind.REACTION, rf"Reagierte mit {_EMOJI} auf (deine|Ihre) Nachricht|Gefällt eine Nachricht"),
    (Kind.REACTION, rf"Hat eine Nachricht mit {_QUOTED_LIKE.format('Gefällt mir')} markiert"),
    (
        Kind.CALL,
        r"Du hast einen ([Ss]prach|[Vv]ideo|[Aa]udio|[Gg]ruppen)?([Aa]nruf|[Cc]hat) von .+ verpasst\.",
    ),
    (
        Kind.CALL,
        r"Der (Anruf|Videoanruf|Sprachanruf|Audioanruf|Videochat) (wurde beendet|ist beendet|endete)\.",
    ),
    (Kind.EVENT, r"(Ihr seid|Du bist) jetzt (auf|über|im|bei) Messenger (verbunden|vernetzt).*"),
    (Kind.EVENT, r"Ihr könnt (euch )?jetzt (gegenseitig )?Nachrichten .*(senden|austauschen|anrufen)\."),
    # French
    (Kind.REACTION, rf"A réagi (avec )?{_EMOJI} à (votre|ton|un) message|A aimé un message"),
    (Kind.CALL, r"Vous avez manqué un appel( vidéo| audio| vocal)? (de|avec) .+\."),
    (
        Kind.CALL,
        r"(L['’]appel( vidéo| audio)?|La discussion vidéo) est terminée?\.|Discussion vidéo terminée\.",
    ),
    (Kind.CALL, r"Appel (vidéo|audio) terminé\.?"),
    (Kind.EVENT, r"Vous êtes (maintenant|désormais) connecté(e|s|es|\(e\)s|\(e\))? sur Messenger.*"),
    # Spanish
    (Kind.REACTION, rf"(Reaccionó|Ha reaccionado|Se ha reaccionado) (con )?{_EMOJI} a (tu|un) mensaje"),
    (Kind.REACTION, r"Le (gustó|gusta|ha gustado) un mensaje|(Indicó|Ha indicado) que le gusta un mensaje"),
    (Kind.UNSENT, r"Este mensaje fue (eliminado|anulado)\."),
    (
        Kind.CALL,
        r"(Perdiste|Has perdido|Tienes) una (vídeollamada |videollamada |llamada )(perdida )?de .+\.",
    ),
    (Kind.CALL, r"La (llamada|videollamada|llamada de voz) (terminó|finalizó|ha terminado|ha finalizado)\."),
    (Kind.EVENT, r"Ahora (ustedes )?(están|estáis|estás) conectados? en Messenger.*"),
    # Italian
    (Kind.REACTION, rf"Ha reagito (con )?{_EMOJI} a(l tuo| un) messaggio"),
    (Kind.REACTION, rf"Ha aggiunto la reazione {_EMOJI}( a(l tuo| un) messaggio)?"),
    (Kind.REACTION, rf"Ha messo {_QUOTED_LIKE.format('[Mm]i piace')} a(l tuo| un) messaggio"),
    (Kind.CALL, r"(Hai perso|Ti sei perso) una (chiamata|videochiamata|chiamata vocale) (di|da) .+\."),
    (Kind.CALL, r"La (chiamata|videochiamata|chat video) è (terminata|finita)\."),
    (Kind.EVENT, r"Ora siete (collegati|connessi|in contatto) su Messenger.*"),
    # Portuguese
    (
        Kind.REACTION,
        rf"(Reagiu|Reagiste) (com )?{_EMOJI} à (sua|tua) mensagem|(Curtiu|Gostou de) uma mensagem",
    ),
    (Kind.UNSENT, r"Esta mensagem foi (apagada|removida|cancelada)\."),
    (Kind.CALL, r"(Você perdeu|Perdeste) uma (ligação|chamada)( de (vídeo|áudio|voz))? de .+\."),
    (Kind.CALL, r"A (chamada|ligação|conversa)( de (vídeo|áudio))? (terminou|foi encerrada)\."),
    (Kind.CALL, r"Chamada( de (vídeo|áudio))? encerrada\.?"),
    (Kind.EVENT, r"(Agora )?[Vv]ocês (agora )?estão conectados( agora)? no Messenger.*"),
    # Japanese
    (Kind.REACTION, rf"(あなたの)?メッセージに「?{_EMOJI_JA}」?(と|で)リアクションしました。?"),
    (Kind.REACTION, r"メッセージに「いいね！?」(を)?しました。?|メッセージにリアクションしました。?"),
    (Kind.CALL, r"(ビデオ通話|音声通話|ビデオチャット|通話)が終了しました。?"),
    (Kind.EVENT, r"Messengerで(つながりました|友達になりました)。?.*"),
)
# What only the owner's rows say: the verb alone tells that it is "you".
_OWNER_ALONE: tuple[tuple[Kind, str], ...] = (
    (Kind.ATTACHMENT, rf"(Enviaste|Has enviado|Compartiste|Has compartido) {_THING_ES}\."),
    (Kind.ATTACHMENT, rf"Hai (inviato|condiviso) {_THING_IT}\."),
    (Kind.ATTACHMENT, rf"(Enviaste|Partilhaste) {_THING_PT}\."),
    (Kind.ATTACHMENT, rf"{_THING_JA}を(送信|シェア)しました。"),
    (Kind.CALL, r"(Iniciaste|Has iniciado) una (llamada|videollamada|llamada de voz)\."),
    (Kind.CALL, r"Hai (avviato|iniziato) una (chiamata|videochiamata|chat video)\."),
    (Kind.EVENT, r"(Saliste del|Abandonaste el|Has salido del|Has abandonado el|Dejaste el) grupo\."),
    (Kind.EVENT, r"(Nombraste|Has nombrado) (el|al) grupo .+\."),
    (Kind.EVENT, r"(Agregaste|Añadiste|Has añadido|Eliminaste|Has eliminado) a .+ (al|del) grupo\."),
    (
        Kind.EVENT,
        r"(Cambiaste|Has cambiado) (el (tema|emoji|color) del chat|la foto del grupo|el apodo de)\b.*\.",
    ),
    (Kind.EVENT, r"Hai (lasciato|abbandonato) il gruppo\.|Hai (aggiunto|rimosso) .+ (al|dal) gruppo\."),
    (Kind.EVENT, r"Hai (cambiato|impostato) (il tema della chat|la foto del gruppo|il soprannome di)\b.*\."),
    (Kind.EVENT, r"Hai (chiamato|denominato|rinominato) il gruppo .+\."),
    (Kind.EVENT, r"Saíste do grupo\.|(Adicionaste|Removeste) .+ (ao|do) grupo\."),
    (Kind.UNSENT, r"(Anulaste|Has anulado|Cancelaste) el envío de un mensaje\.?|Eliminaste un mensaje\."),
    (Kind.UNSENT, r"Hai annullato l['’]invio di un messaggio\.?|メッセージの送信を取り消しました。?"),
)
# What stands behind the sender's name, or behind "You".
_NAMED: tuple[tuple[Kind, str], ...] = (
    (
        Kind.ATTACHMENT,
        r"(sent|shared) (an?|\d+) (attachment|photo|video|picture|image|sticker|GIF|voice message|audio"
        r"|file|link|post|story|reel|location|live location|contact)s?\.",
    ),
    (
        Kind.CALL,
        r"called you\.|called (a contact|[A-Z]\S*( [A-Z]\S*){0,3})\."
        r"|started (an audio|a video|a voice) (call|chat)|(started|stopped) sharing video\.?"
        r"|missed (your|an?) ((video|audio|voice) )?(call|chat)\."
        r"|(started|joined|left|ended) (an?|the) ((group|video|audio|voice) )*(call|chat)\.",
    ),
    (Kind.UNSENT, r"unsent a message\.?"),
    (Kind.REACTION, r"liked a message\.?"),
    (
        Kind.EVENT,
        r"(named the (group|chat|plan) .+|created (the|a|this) (group|plan|poll|reminder|event)\b.*"
        r"|(added|removed) .+ (to|from) the (group|chat)|(left|joined) the (group|chat)"
        r"|made .+ (a|an|the) (group )?admin|removed .+ as (a|an|the) (group )?admin"
        r"|(set|cleared|removed|changed) ((the|your|his|her|their|its) (own )?|.+['’]s? )nickname\b.*"
        r"|(changed|set|removed) the (chat |group )?(theme|colou?rs?|photo|name|emoji|quick reaction)\b.*"
        r"|(un)?pinned a message|voted for .+|changed (the|your|his|her|their) vote to .+"
        r"|removed (the|your|his|her|their) vote for .+|responded (Going|Maybe|Can['’]t Go)\b.*"
        r"|(started|stopped) sharing ((a|your|his|her|their|the) )?(live )?location\b.*"
        r"|turned (on|off) (disappearing messages|member approval|vanish mode)\b.*"
        r"|set disappearing messages to .+|is now an? (group )?admin|took a screenshot)\."
        r"|waved( hello)?( (at|to) .+)?[.!]",
    ),
    # German
    (
        Kind.ATTACHMENT,
        r"(hat|hast) (dir )?(einen (Anhang|Sticker|Link|Beitrag|Kontakt|Live-Standort|Standort)|eine (Datei"
        r"|Sprachnachricht|Story|Audiodatei)|ein (Foto|Video|Bild|GIF|Reel)|\d+ (Fotos|Videos|Anhänge))"
        r" (gesendet|geteilt|geschickt)\.",
    ),
    (
        Kind.CALL,
        r"hat dich angerufen\.|hat (deinen|einen) (Anruf|Videoanruf|Videochat) (von dir )?"
        r"verpasst\.|(hat|hast) (einen (Anruf|Videoanruf|Videochat|Sprachanruf|Audioanruf|Gruppenanruf)"
        r" gestartet|am (Anruf|Videochat) teilgenommen)\."
        r"|(ist|bist) dem (Anruf|Videoanruf|Videochat) beigetreten\.",
    ),
    (Kind.UNSENT, r"(hat|hast) eine Nachricht (zurück(genommen|gezogen|gerufen)|gelöscht|entfernt)\.?"),
    (Kind.REACTION, rf"gefällt eine Nachricht\.?|hat (mit )?{_EMOJI} auf (deine|eine) Nachricht reagiert\.?"),
    (
        Kind.EVENT,
        r"(hat|hast) (die Gruppe (verlassen|erstellt|.+ genannt)|der Gruppe den Namen .+ gegeben"
        r"|.+ (zur|aus der) Gruppe (hinzugefügt|entfernt)|das Gruppenfoto (geändert|entfernt)"
        r"|(das Thema|das Design|die Farben|die Chatfarben|das Emoji|den Namen der Gruppe"
        r"|den Gruppennamen)\b.*"
        r" (geändert|festgelegt|entfernt)|(den|seinen|ihren|deinen) (eigenen )?Spitznamen\b.*"
        r" (geändert|festgelegt|gelöscht|entfernt)|eine Umfrage (erstellt|gestartet)|für .+ (ab)?gestimmt"
        r"|eine Nachricht (angepinnt|angeheftet|fixiert)|.+ zum (Admin|Administrator)( der Gruppe)? gemacht"
        r"|dir zugewinkt)\.|(ist|bist) der Gruppe beigetreten\.",
    ),
    # French
    (Kind.ATTACHMENT, rf"(a|avez) (envoyé|partagé) {_THING_FR}\."),
    (
        Kind.CALL,
        r"vous a appelée?\.|vous a appelé\(e\)\.|a manqué (votre|un) appel( vidéo| audio)?\."
        r"|(a|avez) (démarré|commencé|lancé|rejoint|quitté) (un|l['’]|une|la) ?(appel|discussion)"
        r"( vidéo| audio)?( de groupe)?\.",
    ),
    (Kind.UNSENT, r"(a|avez) (retiré un message|annulé l['’]envoi d['’]un message|supprimé un message)\.?"),
    (Kind.REACTION, rf"(a|avez) aimé un message\.?|a réagi (avec )?{_EMOJI} à (votre|un) message\.?"),
    (
        Kind.EVENT,
        r"(a|avez) (quitté le groupe|rejoint le groupe|créé (le groupe|un sondage\b.*)|nommé le groupe .+"
        r"|(ajouté|retiré|supprimé) .+ (au|du) groupe"
        r"|(changé|modifié|retiré|supprimé) (la photo (du|de) groupe|le nom du groupe|(les couleurs"
        r"|la couleur"
        r"|le thème|l['’]emoji)\b.*)|défini l['’]emoji sur .+|surnommé .+"
        r"|(défini|effacé|supprimé|choisi) (votre|le|son|ton) (propre )?pseudo\b.*"
        r"|voté pour .+|(retiré|modifié) (son|votre) vote pour .+|épinglé un message"
        r"|(commencé|arrêté) (à|de) partager .+|répondu (Participe|Ne participe pas|Peut-être)\b.*"
        r"|(commencé|mis à jour) (un|le) plan|remplacé le (nom|lieu) du plan\b.*)\.",
    ),
    # Spanish
    (
        Kind.ATTACHMENT,
        rf"([Tt]e )?(envió|ha enviado|compartió|ha compartido|[Ee]nviaste|compartiste) {_THING_ES}\.",
    ),
    (
        Kind.CALL,
        r"te (llamó|ha llamado)\.|(perdió|ha perdido) (tu|una) (llamada|videollamada)\."
        r"|(inició|ha iniciado|se unió a|se ha unido a) (una|la) (llamada|videollamada|llamada de voz)"
        r"( grupal| de grupo)?\.",
    ),
    (Kind.UNSENT, r"(anuló|ha anulado|canceló|ha cancelado) el envío de un mensaje\.?|eliminó un mensaje\."),
    (Kind.REACTION, rf"(te )?(reaccionó|ha reaccionado) (con )?{_EMOJI} a (tu|un) mensaje\.?"),
    (
        Kind.EVENT,
        r"((abandonó|dejó|ha abandonado|ha dejado) el|(salió|ha salido) del) grupo\.|(se unió"
        r"|se ha unido) al grupo\."
        r"|(nombró|ha nombrado|creó|ha creado) (el|al) grupo( .+)?\."
        r"|(añadió|agregó|eliminó|ha añadido|ha agregado|ha eliminado) a .+ (al|del) grupo\."
        r"|(cambió|ha cambiado|eliminó|ha eliminado) (el tema|los colores|el color|la foto|el emoji"
        r"|el nombre)\b.*\."
        r"|(estableció|definió|cambió|eliminó|ha (establecido|definido|cambiado|eliminado))"
        r" (el|tu|su) (propio )?apodo\b.*\."
        r"|(creó|ha creado) una encuesta\b.*\.|(votó|ha votado) por .+\.|(fijó|ha fijado) un mensaje\.",
    ),
    # Italian
    (Kind.ATTACHMENT, rf"(ti )?ha (inviato|condiviso) {_THING_IT}\."),
    (
        Kind.CALL,
        r"ti ha chiamat[oa]\.|ha perso (la tua|una) (chiamata|videochiamata)\."
        r"|(ha|è) (avviato|iniziato|entrato in|partecipato a) ?(un[a'’]|l[a'’])? ?(chiamata"
        r"|videochiamata|chat video)"
        r"( di gruppo)?\.",
    ),
    (Kind.UNSENT, r"ha (annullato l['’]invio di|eliminato|rimosso) un messaggio\.?"),
    (
        Kind.REACTION,
        rf"ha (reagito (con )?{_EMOJI}|messo {_QUOTED_LIKE.format('[Mm]i piace')}) a(l tuo| un) messaggio\.?",
    ),
    (
        Kind.EVENT,
        r"ha (lasciato|abbandonato) il gruppo\.|è (uscito|uscita) dal gruppo\."
        r"|ha (aggiunto|rimosso) .+ (al|dal) gruppo\.|ha (chiamato|denominato|rinominato"
        r"|creato) il gruppo( .+)?\."
        r"|ha (cambiato|modificato|rimosso) (il tema|i colori|il colore|la foto|l['’]emoji|il nome)\b.*\."
        r"|ha (impostato|cambiato|rimosso|cancellato) (il (tuo |suo )?|un )soprannome\b.*\."
        r"|ha creato un sondaggio\b.*\.|ha votato (per )?.+\.|ha fissato un messaggio\.",
    ),
    # Portuguese
    (Kind.ATTACHMENT, rf"(enviou|compartilhou|partilhou) {_THING_PT}\."),
    (
        Kind.CALL,
        r"ligou para você\.|ligou-te\.|perdeu (sua|a tua|uma) (ligação|chamada)( de (vídeo|áudio|voz))?\."
        r"|(iniciou|entrou em|entrou na) (uma |a )?(ligação|chamada|conversa|bate-papo)"
        r"( de (vídeo|áudio|voz)| por vídeo)?( em grupo)?\.",
    ),
    (Kind.UNSENT, r"(cancelou|anulou) o envio de uma mensagem\.?|(removeu|apagou) uma mensagem\.?"),
    (Kind.REACTION, rf"(curtiu|gostou de) uma mensagem\.?|reagiu (com )?{_EMOJI} à (sua|tua) mensagem\.?"),
    (
        Kind.EVENT,
        r"(saiu do|entrou no|criou o) grupo\.|(adicionou|removeu) .+ (ao|do) grupo\."
        r"|(nomeou o grupo|deu ao grupo o nome( de)?) .+\."
        r"|(alterou|mudou|removeu) (o tema|as cores|a cor|a foto|o emoji|o nome)\b.*\."
        r"|(definiu|alterou|mudou|removeu|apagou) (o|seu|a sua) (próprio )?(apelido|alcunha)\b.*\."
        r"|criou uma (enquete|votação|sondagem)\b.*\.|votou em .+\.|fixou uma mensagem\.",
    ),
    # Japanese
    (Kind.ATTACHMENT, rf"{_THING_JA}を(送信|シェア)しました。"),
    (
        Kind.CALL,
        r"(あなたに)?電話(を)?(かけ|し)ました。|の(ビデオ通話|音声通話|通話"
        r"|着信)に(応答できませんでした|出られませんでした)。"
        r"|(グループ)?(ビデオ通話|音声通話|ビデオチャット|通話)(を開始しました|に参加しました)。",
    ),
    (Kind.UNSENT, r"メッセージの送信を取り消しました。?"),
    (Kind.REACTION, rf"(あなたの)?メッセージに(「?{_EMOJI_JA}」?(と|で))?リアクションしました。?"),
    (Kind.REACTION, r"メッセージに「いいね！?」(を)?しました。?"),
    (
        Kind.EVENT,
        r"(グループを(退出|作成)しました|グループ(に参加|から退出)しました|グループ(名"
        r"|の名前)?を.+に(変更|設定)しました"
        r"|.+さんを(グループに)?(追加|グループから削除|削除)しました|(チャットの)?(テーマ|色|カラー"
        r"|絵文字)を.*(変更|設定)しました"
        r"|グループの写真を変更しました|.*ニックネームを.*(設定|変更|削除)しました|アンケートを作成しました"
        r"|.+に投票しました|メッセージをピン留めしました)。",
    ),
)
PLACE = re.compile(
    r"( (sent|shared) a (live )?location| einen (Live-)?Standort (gesendet|geteilt)"
    r"| (envoyé|partagé) (une|sa) position( en direct)?|(^| )\S+ (una|su|tu) ubicación( en vivo)?"
    r"| (una|la sua|la tua) posizione| (uma|sua) localização)\.$|位置情報を(送信|シェア)しました。$"
)
"""A sentence of the service that tells of a place."""


def _one(table: tuple[tuple[Kind, str], ...]) -> re.Pattern[str]:
    """One expression for the whole table; the group that matched is named as the kind."""
    patterns = {kind: [pattern for of, pattern in table if of is kind] for kind, _ in table}
    return re.compile("|".join(f"(?P<{kind.value}>{'|'.join(found)})" for kind, found in patterns.items()))


_anybody, _owner_alone, _named = (_one(table).fullmatch for table in (_ANYBODY, _OWNER_ALONE, _NAMED))
_YOU = ("You ", "Du ", "Vous ", "Você ", "Tú ")
_FIRST = (
    "You The Video Audio Messages Reacted Say Liked User This Failed Hat Reagierte Gefällt Du Der Ihr A Vous"
    " Discussion Appel La L'appel L’appel Reaccionó Ha Se Le Indicó Este Perdiste Has Tienes Ahora Hai Ti"
    " Ora Reagiu Reagiste Curtiu Gostou Esta Você Perdeste Chamada Agora Vocês Enviaste Compartiste"
    " Partilhaste Iniciaste Saliste Abandonaste Dejaste Nombraste Agregaste Añadiste Eliminaste Cambiaste"
    " Saíste Adicionaste Removeste Anulaste Cancelaste"
)
_FIRST_WORDS = frozenset(_FIRST.split())
_FIRST_SIGNS = (*"メあ「ビ音通添写動ボスリ位投", "Messengerで", "GIFを")


@lru_cache(maxsize=4096)
def beginnings(sender: str, owner: str | None) -> frozenset[str]:
    """The first two letters of all that `wording` knows of this sender, unless one of them is above ASCII.

    A cheap look that spares most of what people write themselves the careful one."""
    known = (*_FIRST_WORDS, *_FIRST_SIGNS, *_names(sender, owner is None or sender == owner))
    return frozenset(start for word in known for start in (word[:2], f"{word} "[:2]))


def wording(text: str, sender: str, owner: str | None) -> Kind | None:
    """What `text` is when the service wrote it, else None (somebody's own words)."""
    may_be_owner = owner is None or sender == owner
    if text.partition(" ")[0] in _FIRST_WORDS or text.startswith(_FIRST_SIGNS) or _starts_with_emoji(text):
        trimmed = text.rstrip(" ")
        found = _anybody(trimmed) or (_owner_alone(trimmed) if may_be_owner else None)
        if found is not None and found.lastgroup is not None:
            return Kind(found.lastgroup)
    names = _names(sender, may_be_owner)
    if not text.startswith(names):
        return None
    for name in names:
        if text.startswith(name):
            found = _named(text[len(name) :])
            if found is not None and found.lastgroup is not None:
                return Kind(found.lastgroup)
    return None


def _starts_with_emoji(text: str) -> bool:
    return not text[:1].isascii() and text.endswith((" reagiert", " reagiert "))


@lru_cache(maxsize=4096)
def _names(sender: str, may_be_owner: bool) -> tuple[str, ...]:
    """How a sentence of the service may call its sender, longest first, with what stands behind it."""
    words = sender.split()
    names = [" ".join(words[:count]) + " " for count in range(len(words), 0, -1)]
    called = [sender]
    if sender == ANONYMOUS:
        called = [*_GONE]
        names = [f"{name} " for name in _GONE]
    if may_be_owner:
        names += _YOU
    japanese = [f"{name}{end}" for name in called for end in ("さんが", "さんから", "が")]
    return (*japanese, *names)
