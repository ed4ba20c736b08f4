"""How somebody works a page: with the keyboard alone, or with a mouse in a browser without scripts. Both can do the same things, so that a
task is written once and done both ways.
"""

from playwright.sync_api import Locator

from .chromium import Window

TABS_MAX = 160

# What has the focus: its name, and whether it shows that, and is not hidden under something.
FOCUS = """() => {
    const at = document.activeElement;
    const name = [at.tagName.toLowerCase(), at.getAttribute("aria-label") || at.textContent.trim().slice(0, 60)].join(" ");
    // between the end of the page and its beginning; and the browser's own button within a date has a ring of the browser's own
    if (at === document.body || (at.type === "date" && !at.matches(":focus"))) return {name, seen: true};
    const style = getComputedStyle(at), after = getComputedStyle(at, "::after");
    const ringed = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
    const box = at.getBoundingClientRect();
    // a link that fills its row has its ring around the row
    const byRow = after.content !== "none" && after.outlineStyle !== "none" && parseFloat(after.outlineWidth) > 0;
    return {name, seen: (ringed || byRow) && box.width > 0 && box.height > 0};
}"""


class Mouse:
    """Presses what it sees."""

    name = "without scripts"

    def __init__(self, window: Window, demo=None):
        self.window, self.demo = window, demo

    def open(self, path: str) -> None:
        answer = self.window.open(path)
        assert answer.status == 200, f"{path} is {answer.status}"

    def link(self, name: str) -> None:
        self.use(self._named("link", name))

    def button(self, name: str) -> None:
        self.use(self._named("button", name))

    def summary(self, name: str) -> None:
        """Opens or closes what is folded."""
        self.use(self.window.page.locator(f'summary[aria-label^="{name}"], summary:has-text("{name}")').first)

    def field(self, label: str, text: str) -> None:
        self._field(label).fill(text)

    def add(self, label: str, text: str) -> None:
        """Writes at the end of what stands in a field."""
        field = self._field(label)
        field.fill(field.input_value() + text)

    def choice(self, label: str, option: str) -> None:
        self.choose(self.window.page.get_by_label(label, exact=True).first, option)

    def choose(self, select: Locator, option: str) -> None:
        select.select_option(label=option)

    def tick(self, label: str) -> None:
        """Ticks a box, or takes one of several."""
        self._field(label).check()

    def check(self, box: Locator) -> None:
        """Ticks one of several boxes."""
        box.check()

    def use(self, thing: Locator) -> None:
        thing.click()

    def find(self, selector: str) -> Locator:
        """What a name does not say: the first of these."""
        return self.window.page.locator(selector).first

    def proves(self, login: str) -> None:
        """Says who they are at the identity provider's page, which is not ours."""
        person = self.window.page.locator(f'button[name="person"][value="{login}"]')
        person.focus()
        self.window.page.keyboard.press("Enter")
        person.wait_for(state="detached")

    def says(self, text: str) -> None:
        """The page that is open now says this, sooner or later."""
        self.window.page.get_by_text(text).filter(visible=True).first.wait_for()

    def _field(self, label: str) -> Locator:
        return self.window.field(label)

    def _named(self, role: str, name: str) -> Locator:
        found = self.window.page
        exact = found.get_by_role(role, name=name, exact=True)
        return exact.first if exact.count() else found.get_by_role(role, name=name).first


class Keyboard(Mouse):
    """Reaches everything with the tabulator, sees where it is at each step, and touches no mouse."""

    name = "by keyboard"

    def __init__(self, window: Window, demo=None, look=lambda _: None):
        """`look` is shown each page that they work on."""
        super().__init__(window, demo)
        self.look = look

    def field(self, label: str, text: str) -> None:
        self._reach(self._field(label))
        self.window.page.keyboard.press("Control+a")
        self.window.page.keyboard.type(text)

    def add(self, label: str, text: str) -> None:
        self._reach(self._field(label))
        self.window.page.keyboard.press("Control+End")
        self.window.page.keyboard.type(text)

    def choose(self, select: Locator, option: str) -> None:
        self._reach(select)
        self.window.page.keyboard.type(option)

    def check(self, box: Locator) -> None:
        self._reach(box)
        self.window.page.keyboard.press("Space")

    def tick(self, label: str) -> None:
        thing = self._field(label)
        # of a group of radio buttons the tabulator leads to one, and the arrows to the others
        group = thing.evaluate("it => it.type === 'radio' ? it.name : ''")
        if not group:
            self._reach(thing)
            self.window.page.keyboard.press("Space")
            return
        self._reach(thing, f"it => document.activeElement.type === 'radio' && document.activeElement.name === {group!r}")
        self.window.page.keyboard.press("Space")
        for _ in range(TABS_MAX):
            if thing.is_checked():
                return
            self.window.page.keyboard.press("ArrowDown")
        raise AssertionError(f"no arrow leads to {label} on {self.window.path()}")

    def use(self, thing: Locator) -> None:
        self._reach(thing)
        self.window.page.keyboard.press("Enter")

    def _reach(self, thing: Locator, is_there: str = "it => it === document.activeElement") -> None:
        thing.wait_for()
        self.look(self.window)
        passed = []
        # what stands before the focus is nearer backwards
        is_before = thing.evaluate(
            "it => document.activeElement !== document.body && (document.activeElement.compareDocumentPosition(it) & 2) === 2"
        )
        step = thing.element_handle().evaluate_handle(f"it => () => ({{...({FOCUS})(), there: ({is_there})(it)}})")
        for _ in range(TABS_MAX):
            self.window.page.keyboard.press("Shift+Tab" if is_before else "Tab")
            at = step.evaluate("step => step()")
            passed.append(at["name"])
            assert at["seen"], f"nobody sees that the focus is on {passed[-1]} of {self.window.path()}"
            if at["there"]:
                return
        raise AssertionError(f"no tabulator leads to {thing} on {self.window.path()}; it passed {passed}")
