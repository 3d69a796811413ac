"""The base of all dialogs: fields with hints and errors beside them, and buttons in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from wstui.measure.sanitize import sanitize
from wstui.scenario.errors import Unfinished
from wstui.tui.bindings import key
from wstui.tui.key_queue import KeyQueue
from wstui.tui.kit.compact_view import CompactView, as_rows
from wstui.tui.kit.row_widget import Line

if TYPE_CHECKING:
    from wstui.execution.run.status import Status

Answer = TypeVar("Answer")


class DialogField(Vertical):
    """A labelled input whose note says what the value means, or what is wrong with it."""

    def __init__(
        self,
        name: str,
        label: str,
        value: str,
        parse: Callable[[str], Any],
        hint: Callable[[Any], str] = lambda _: "",
        *,
        placeholder: str = "",
    ) -> None:
        super().__init__(id=f"field-{name}", classes="field")
        self.key = name
        self.label, self._parse, self._hint = label, parse, hint
        self._told = ""
        self._touched = bool(value)
        self._sent = False
        self._input = Input(value, id=f"input-{name}", compact=True, placeholder=placeholder, select_on_focus=True)
        self._note = Static(id=f"note-{name}", classes="note", markup=False)

    def compose(self) -> ComposeResult:
        """Label and input in a row, the note below the input."""
        with Horizontal(classes="entry"):
            yield Static(self.label, classes="label", markup=False)
            yield self._input
        yield self._note

    def on_mount(self) -> None:
        self.check()

    @on(Input.Changed)
    def check(self) -> None:
        """Hint or error for what is typed so far; a field that is empty or only begun asks instead of blaming."""
        self._touched = self._touched or bool(self.text)
        try:
            text, wrong = self._hint(self.value), False
        except ValueError as error:
            wrong = self._sent or (self._touched and not isinstance(error, Unfinished))
            text = f"✗ {error}" if wrong else str(error)
        self._told = sanitize(text)
        self._note.update(Content(self._told))
        self._note.set_class(wrong, "wrong")
        self._note.set_class(text.startswith("▲"), "near")

    @property
    def text(self) -> str:
        return self._input.value

    @text.setter
    def text(self, value: str) -> None:
        self._input.value = value

    @property
    def value(self) -> Any:
        """Return the input as a value; ValueError (or a subclass) says what is wrong with it."""
        return self._parse(self._input.value.strip())

    def insist(self) -> None:
        """Blame also a field that is empty or only begun: it was sent."""
        self._sent = True
        self.check()
        self._sent, self._touched = False, True

    def show_error(self, text: str) -> None:
        """Show an error found later than while typing."""
        self._told = f"✗ {sanitize(text)}"
        self._note.update(Content(self._told))
        self._note.add_class("wrong")

    def compact(self) -> tuple[str, str]:
        """The input, and the note below it."""
        return self.text, self._told

    def focus_input(self) -> None:
        self._input.focus()


class Dialog(ModalScreen[Answer], Generic[Answer]):
    """A host in the middle, over the dimmed screen; escape closes it without an answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("escape", "close", "Close", "dialog.close", "Close without doing anything", shown=True),
        key("left", "app.focus_previous", "Previous", "dialog.previous", "Previous button"),
        key("right", "app.focus_next", "Next", "dialog.next", "Next button"),
        key("up", "scroll(-1)", "Up", "dialog.up", "One row up"),
        key("down", "scroll(1)", "Down", "dialog.down", "One row down"),
        key("pageup", "scroll(-10)", "Page up", "dialog.page_up", "Ten rows up"),
        key("pagedown", "scroll(10)", "Page down", "dialog.page_down", "Ten rows down"),
    ]
    title_text: str = ""

    _gone = False
    _has_opened = False

    def set_focus(self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False) -> None:
        """Focus a widget; the button that a dialog opens with does not scroll what it asks out of sight."""
        opening = not self._has_opened and isinstance(widget, Button)
        self._has_opened = True
        super().set_focus(widget, scroll_visible and not opening, from_app_focus)

    def on_resize(self) -> None:
        self.call_after_refresh(self._tell_answers)

    def _tell_answers(self) -> None:
        """Name the answers in the border while the buttons may be out of sight."""
        host = self.query_one("#host")
        labels = [" ".join(str(widget.label).split()) for widget in self.query(Button)] if host.max_scroll_y else []
        host.border_subtitle = " · ".join(labels) or self.subtitle()

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close only once: keys pressed before the dialog has gone would close the screen below it."""
        if self._gone or not self.is_current:
            return AwaitComplete()
        self._gone = True
        closed = super().dismiss(result)
        if isinstance(self.app, KeyQueue):
            self.app.dialog_closed()
        return closed

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="host", can_focus=False) as host:
            yield Static(Content(self.title_text), classes="title")
            yield from self.body()
            if buttons := list(self.buttons()):
                yield Horizontal(*buttons, classes="buttons")
            host.border_subtitle = self.subtitle()
        if buttons:
            yield CompactView(self._compact, self._answers)

    def _compact(self, width: int) -> list[Line]:
        """Return the question and the inputs."""
        lines = as_rows(self.question, width, "strong")
        for field in self.query(DialogField):
            text, note = field.compact()
            lines.append([(f"{field.label} ", "muted"), (f"{sanitize(text)}▏", "text")])
            lines += as_rows(note, width, "bad" if note.startswith("✗") else "muted")
        return lines

    def _answers(self) -> list[Line]:
        """The buttons; the one that enter presses stands behind an arrow."""
        found = ((widget, sanitize(str(widget.label))) for widget in self.query(Button))
        return [[(f"› {text}", "strong")] if widget.has_focus else [(text, "text")] for widget, text in found]

    @property
    def question(self) -> str:
        """Return the question in a few words."""
        return self.title_text

    def body(self) -> Iterable[Widget]:
        return ()

    def buttons(self) -> Iterable[Button]:
        return ()

    def subtitle(self) -> str:
        return ""

    def obsolete_because(self, status: Status) -> str:
        """Return why the question is obsolete, in a few words; "" while it can be answered."""
        return ""

    def follow(self, status: Status) -> None:
        """Show what has changed in the run; nothing by default."""

    def action_close(self) -> None:
        self.dismiss(None)

    def action_scroll(self, rows: int) -> None:
        self.query_one("#host").scroll_relative(y=rows, animate=False)

    def on_click(self, event: events.Click) -> None:
        """A click beside the host closes it."""
        if event.widget is self:
            self.action_close()


def button(label: str, shown_key: str, name: str, *, classes: str = "") -> Button:
    return Button(
        Content.assemble((label, "bold"), f"  {shown_key}"), id=f"button-{name}", classes=classes, compact=True
    )


class Form(Dialog[Answer], Generic[Answer]):
    """A dialog of fields; enter sends it once every field is right."""

    SEND: ClassVar[str] = "OK"

    def fields(self) -> Iterable[DialogField]:
        raise NotImplementedError

    def body(self) -> Iterable[Widget]:
        return self.fields()

    def buttons(self) -> Iterable[Button]:
        return button(self.SEND, "enter", "send", classes="send"), button("Cancel", "esc", "cancel")

    def answer(self, values: dict[str, Any]) -> Answer | None:
        """The answer made of the values; may `refuse` and return None."""
        raise NotImplementedError

    def refuse(self, name: str, text: str) -> None:
        """Show an error beside a field and put the cursor there."""
        field = self.query_one(f"#field-{name}", DialogField)
        field.show_error(text)
        field.focus_input()

    @on(Input.Submitted)
    @on(Button.Pressed, "#button-send")
    def send(self) -> None:
        """Close with the answer, or show what is wrong."""
        values: dict[str, Any] = {}
        for field in self.query(DialogField):
            try:
                values[field.key] = field.value
            except ValueError:
                field.insist()
                field.focus_input()
                return
        answer = self.answer(values)
        if answer is not None:
            self.dismiss(answer)

    @on(Button.Pressed, "#button-cancel")
    def cancel(self) -> None:
        self.action_close()
