"""The pane: which chat is open, a reply as it comes, and what the keys do."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from engine.errors import StudioError
from tui.actions import bindings
from tui.following import News, follower
from tui.keymap import keyed
from tui.pane import Pane
from tui.screens.chat import asking
from tui.screens.chat.asking import Choice, Partner, Saving
from tui.screens.chat.bubbles import Bubble, ChatView, heading
from tui.screens.chat.chat_list import ChatList
from tui.widgets.ask import Ask
from tui.widgets.choose import Choose
from tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from engine.archive.rows import ChatRow, ChatTurnRow
    from engine.chat import Piece

FLUSH = 0.11
"""Seconds between two drawings of a reply that comes: 9 a second."""

NO_MODEL = """\
Nobody to talk to yet: no model has been trained.

[{app.pane-4}]  Training makes one.
[{chat.model}]  lists every model that can be reached."""


class ChatPane(Pane):
    """One chat, and the saved ones beside it from 100 columns on."""

    DIGIT = 5
    BINDINGS = bindings("chat")
    DEFAULT_CSS = """
    ChatPane {
        .list { width: 32; }
        &.-three .list { width: 40; }
        #with { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #state { height: 1; color: $muted; text-wrap: nowrap; text-overflow: ellipsis; }
        #prompt { height: auto; max-height: 6; }
        #sign { width: 2; color: $muted; }
        &.-narrow .list { display: none; }
        &.-narrow .detail { display: block; }
        &.-narrow.-chats .list { display: block; }
        &.-narrow.-chats .detail { display: none; }
        #nobody { display: none; width: 1fr; height: 1fr; content-align: center middle; }
        &.-empty #nobody { display: block; }
        &.-empty .list, &.-empty .detail { display: none; }
    }
    """

    @dataclass
    class Listed(Message):
        """The saved chats."""

        chats: Sequence[ChatRow]
        newest: Partner | None

    @dataclass
    class Chosen(Message):
        """Talk to this one, in a new chat."""

        partner: Partner

    @dataclass
    class Opened(Message):
        chat: ChatRow
        turns: Sequence[ChatTurnRow]

    @dataclass
    class Choices(Message):
        rows: Sequence[Choice]
        silent: Sequence[str]

    @dataclass
    class Saved(Message):
        """Something of a chat is in the studio, or why it is not."""

        saving: Saving

    @dataclass
    class Came(Message):
        """A piece of the reply to the `asked`th question."""

        asked: int
        piece: Piece

    @dataclass
    class Broke(Message):
        asked: int
        error: StudioError

    def __init__(self) -> None:
        super().__init__()
        self.partner: Partner | None = None
        self.chat: ChatRow | None = None
        self._saving: Saving | None = None
        self.editing = False
        self._asked = 0
        self._answering = False
        self._text = ""
        self._flushing: Timer | None = None
        self._listed = False

    def compose_body(self) -> ComposeResult:
        with Vertical(classes="list"):
            yield Static("", classes="line", id="many")
            yield ChatList()
        with Vertical(classes="detail"):
            yield Static("", classes="over", id="with")
            yield ChatView()
            yield Static("", id="state")
            with Horizontal(id="prompt"):
                yield Static(Content("> "), id="sign")
                yield Prompt(placeholder="write to it")
        yield Static(Content(keyed(NO_MODEL, self)), id="nobody")

    def on_mount(self) -> None:
        self.query_one(ChatView).focus()
        follower(self.studio_app).news.subscribe(self, self._on_news)

    def arrive(self) -> None:
        wanted = self.studio_app.wanted(self.DIGIT)
        if isinstance(wanted, str):
            self.remove_class("-chats")
            self.query_one(Prompt).focus()
            if self.partner is None or self.partner.model != wanted:
                self.work("", self._choose, wanted, None)
        self.work("", self._list)

    def _on_news(self, news: News) -> None:
        """A job that has succeeded gives somebody to talk to."""
        if news.update is not None and news.update.job.model and self.partner is None and self._listed:
            self.work("", self._list)

    # In workers

    async def _list(self) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import chats

        self.post_message(self.Listed(await chats.chats(studio), await asking.newest(studio)))

    async def _choose(self, model: str, provider: str | None) -> None:
        studio = await self.studio_app.studio()
        self.post_message(self.Chosen(await asking.partner(studio, model, provider)))

    async def _open(self, chat: ChatRow) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import chats

        self.post_message(self.Opened(chat, await chats.chat_turns(studio, chat.id)))

    async def _list_models(self) -> None:
        self.post_message(self.Choices(*await asking.choices(self.studio_app)))

    async def _talk(
        self,
        asked: int,
        partner: Partner,
        saving: Saving,
        turns: Sequence[tuple[str, str]],
    ) -> None:
        try:
            talk = asking.talk(self.studio_app, partner, saving, turns)
            async with aclosing(talk) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    self.post_message(self.Came(asked, piece))
        except StudioError as error:
            self.post_message(self.Broke(asked, error))

    # What the workers said

    def on_chat_pane_listed(self, event: Listed) -> None:
        # Somebody came here before there was a model, and waited for it where the pane had put them.
        waited = self._listed and self.partner is None and self._focus_untouched
        self._listed = True
        self.query_one("#many", Static).update(Content("chats" if event.chats else "no chats yet"))
        self.query_one(ChatList).list(event.chats, self.chat.id if self.chat else None)
        if self.partner is None and event.newest is not None:
            self.partner = event.newest
        self.set_class(self.partner is None and not event.chats, "-empty")
        self._show_partner()
        if waited and self.partner is not None:
            self.action_write()

    def on_chat_pane_chosen(self, event: Chosen) -> None:
        self._end_reply()
        self.remove_class("-empty")
        before, self.partner = self.partner, event.partner
        if before != event.partner or not self.query_one(ChatView).bubbles:
            self._begin_chat()
        self._show_partner()
        self.query_one(Prompt).focus()

    def on_chat_pane_opened(self, event: Opened) -> None:
        self._end_reply()
        chat = event.chat
        self._saving = None
        self.chat, self.partner = chat, Partner(chat.model, chat.provider, chat.system)
        self.query_one(ChatList).mark_open(chat.id)
        self.query_one(ChatView).open([Bubble.of(turn) for turn in event.turns])
        self.remove_class("-chats")
        self._show_partner()

    def on_chat_pane_choices(self, event: Choices) -> None:
        self.quiet()
        if not event.rows:
            self.say("No model can be reached.", " ".join(event.silent))
            return

        def choose(index: int | None) -> None:
            if index is not None:
                self.work("", self._choose, event.rows[index].model, event.rows[index].provider)

        rows = [(row.model, row.what) for row in event.rows]
        models = [row.model for row in event.rows]
        at = models.index(self.partner.model) if self.partner and self.partner.model in models else 0
        question = "Talk to which model?" + (f"\n{' '.join(event.silent)}" if event.silent else "")
        self.app.push_screen(Choose(question, rows, at), choose)

    def on_chat_pane_saved(self, event: Saved) -> None:
        error = event.saving.exception()
        if isinstance(error, StudioError):
            self.say(error.message, error.hint)
        elif error is not None:
            raise error
        elif event.saving is self._saving:
            self.chat = event.saving.result()
        self._show_state()
        self.work("", self._list)

    def on_chat_pane_came(self, event: Came) -> None:
        if event.asked != self._asked or not self._answering:
            return
        if event.piece.done:
            self._finish(event.piece)
            return
        self._text += event.piece.text
        if self._flushing is None:
            self._flush()
            self._flushing = self.set_timer(FLUSH, self._flush_again)

    def on_chat_pane_broke(self, event: Broke) -> None:
        if event.asked == self._asked and self._answering:
            self._finish(None, str(event.error))

    def _flush_again(self) -> None:
        self._flushing = None
        if self._answering:
            self._flush()

    def _flush(self) -> None:
        view = self.query_one(ChatView)
        if view.bubbles and view.bubbles[-1].text != self._text:
            view.change(text=self._text)

    def _finish(self, last: Piece | None, said: str = "") -> None:
        """The reply has ended, or broke off, or was stopped: what came is kept."""
        self._answering = False
        view = self.query_one(ChatView)
        fields: dict[str, object] = {"text": self._text, "said": said, "growing": False}
        if last is not None:
            fields |= {
                name: getattr(last, name)
                for name in ("tokens", "seconds", "first_token", "origin", "similarity")
            }
            if not self._text:
                fields["said"] = "The model said nothing. r asks again."
        view.change(**fields)
        if self._saving is not None and self._text:
            self._save(asking.save_reply(self.studio_app, self._saving, self._text, last))
        self._show_state()
        self.refresh_bindings()

    def _end_reply(self) -> None:
        """Stop a reply that comes; closing its stream ends it at the provider too."""
        if self._answering:
            self.workers.cancel_group(self, "reply")
            self._finish(None, "Stopped.")

    # Writing

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        text = event.text.strip()
        if not text or self.partner is None or self._answering:
            return
        prompt = self.query_one(Prompt)
        prompt.clear()
        prompt.history.clear()
        view = self.query_one(ChatView)
        drop = 0
        if self.editing:
            self.editing = False
            drop = view.take_back(with_question=True)
        view.following = True
        view.add(Bubble("user", text))
        self._ask(text, drop)

    def _ask(self, said: str | None, drop: int = 0) -> None:
        assert self.partner is not None
        view = self.query_one(ChatView)
        turns = [(bubble.role, bubble.text) for bubble in view.bubbles if bubble.text]
        self._asked += 1
        self._answering, self._text = True, ""
        view.following = True
        view.add(Bubble("assistant", "", growing=True))
        self._show_state()
        self.refresh_bindings()
        saving = self._save(
            asking.save_said(self.studio_app, self.partner, self.chat, self._saving, said, drop)
        )
        self.work("reply", self._talk, self._asked, self.partner, saving, turns)

    def _save(self, what: Coroutine[Any, Any, ChatRow]) -> Saving:
        """Save it beside whatever goes on; neither another chat nor leaving the studio ends that."""
        self._saving = saving = self.studio_app.in_any_case(what)
        saving.add_done_callback(lambda done: done.cancelled() or self.post_message(self.Saved(done)))
        self.set_timer(asking.MOMENT, self._show_state)
        return saving

    @property
    def _focus_untouched(self) -> bool:
        chats = self.query_one(ChatList)
        return not self.has_class("-chats") and not (chats.has_focus and chats.cursor)

    def _begin_chat(self) -> None:
        self.chat, self._saving, self.editing = None, None, False
        self.query_one(ChatList).mark_open(None)
        self.query_one(ChatView).open([])
        self._show_state()
        self.refresh_bindings()

    # Drawing

    def on_line_list_opened(self) -> None:
        chat = self.query_one(ChatList).current
        if chat is not None:
            self.work("", self._open, chat)
            self.query_one(Prompt).focus()

    def on_chat_view_followed(self) -> None:
        self._show_state()

    def _show_partner(self) -> None:
        if self.partner is not None:
            self.query_one("#with", Static).update(heading(self.partner))
        self._show_state()
        self.refresh_bindings()

    def _show_state(self) -> None:
        waits = self._saving is not None and not self._saving.done()
        said = self.query_one(ChatView).state(self._answering, self.editing, waits)
        self.query_one("#state", Static).update(Content(said))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        bubbles = self.query_one(ChatView).bubbles
        if action == "stop":
            return self._answering
        if action in ("write", "system"):
            return self.partner is not None and not (action == "write" and self.query_one(Prompt).has_focus)
        if action == "new":
            return self.partner is not None and bool(bubbles)
        if action in ("again", "edit"):
            return not self._answering and any(bubble.role == "user" for bubble in bubbles)
        if action == "copy":
            return any(bubble.role == "assistant" and bubble.text for bubble in bubbles)
        if action == "origin":
            return any(bubble.origin for bubble in bubbles)
        if action == "back" and self._answering:
            return False
        if action == "back":
            narrow = not self.has_class("-chats") and self.query_one(ChatList).rows > 0
            if self.query_one(Prompt).has_focus:
                return True
            return self._focus_in(".detail") and (narrow or not self.has_class("-narrow"))
        return super().check_action(action, parameters)

    def action_stop(self) -> None:
        self._end_reply()

    def action_write(self) -> None:
        self.remove_class("-chats")
        self.query_one(Prompt).focus()

    def action_back(self) -> None:
        """From the prompt to the chat, from there to the saved ones."""
        prompt = self.query_one(Prompt)
        if prompt.has_focus:
            if self.editing:
                self.editing = False
                prompt.clear()
            self.query_one(ChatView).focus()
        else:
            self.set_class(self.has_class("-narrow"), "-chats")
            self.remove_class("-zoom")
            self.query_one(ChatList).focus()

    def action_new(self) -> None:
        self._end_reply()
        self._begin_chat()
        self.action_write()

    def action_model(self) -> None:
        self.say("Asking the providers for their models.")
        self.work("", self._list_models)

    def action_again(self) -> None:
        self._ask(None, self.query_one(ChatView).take_back())

    def action_edit(self) -> None:
        last = next(bubble for bubble in reversed(self.query_one(ChatView).bubbles) if bubble.role == "user")
        self.editing = True
        prompt = self.query_one(Prompt)
        prompt.text = last.text
        self.action_write()
        prompt.move_cursor(prompt.document.end)
        self._show_state()

    def action_system(self) -> None:
        before = self.partner
        assert before is not None

        def take(text: str | None) -> None:
            if text is not None and text.strip() != before.system:
                self._end_reply()
                self.partner = before._replace(system=text.strip())
                self._begin_chat()
                self._show_partner()

        self.app.push_screen(Ask("System prompt (a new one begins a new chat)", before.system), take)

    def action_copy(self) -> None:
        if self.get_selected_text():
            self.action_copy_selected()
            return
        bubbles = reversed(self.query_one(ChatView).bubbles)
        self.studio_app.copy(next(one.text for one in bubbles if one.role == "assistant" and one.text))

    def action_origin(self) -> None:
        self.query_one(ChatView).show_origins()
