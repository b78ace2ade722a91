"""The page: text stays text, names are unique, nothing is fetched."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from dlkit.plotting.predictions.reading import Predictions
from dlkit.plotting.report.page import Images, Plot, Section, Table, Text, render
from dlkit.plotting.report.sections import RunFacts, sections_of_comparison, sections_of_run

HOSTILE = "<script>alert(1)</script>\x1b[31m&\"'=1+1"
PNG = b"\x89PNG\r\n"
EVALUATION = {
    "data": "digits",
    "split": "test",
    "n": 4,
    "loss": 0.25,
    "metrics": {
        "accuracy": {"value": 0.75, "lo": 0.2, "hi": 0.98},
        "mcc": {"value": 0.5, "lo": None, "hi": None},
    },
    "baselines": {"majority": {"accuracy": 0.5}},
    "per_class": [{"class": HOSTILE, "precision": None, "support": 4}],
}


class Outline(HTMLParser):
    """The elements of a page; an element that is closed by another one is a fault."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags, self.texts, self.links = [], [], Counter(), [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "link", "img"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def facts(history, tmp_path):
    def make(**changes) -> RunFacts:
        values = {
            "path": tmp_path / "runs" / "mlp-001",
            "settings": {"model": "mlp", "lr": 0.01, "s.hidden": [64, 32]},
            "facts": {"file": HOSTILE, "parameters": 9610},
            "history": history(3),
            "evaluation": EVALUATION,
            "predictions": Predictions(
                [HOSTILE, "b"], [HOSTILE] * 2, [HOSTILE, "b"], [[0.9, 0.1], [0.6, 0.4]]
            ),
            "layers": [{"layer": "w", "norm": 1.5, "update_ratio": 0.001}],
            "worst": ([PNG], [HOSTILE]),
            "findings": [{"level": "warning", "message": HOSTILE}],
        }
        return RunFacts(**{**values, **changes})

    return make


def test_every_block_is_shown_and_every_text_is_text():
    blocks = [
        Table(header=["a", HOSTILE], rows=[[HOSTILE, 0.123456], ["b", None]]),
        Plot(figure=Figure(figsize=(2, 2)), description=HOSTILE),
        Images(contents=[PNG], captions=[HOSTILE]),
        Text(text=HOSTILE, warning=True),
        Text(text=HOSTILE, code=True),
    ]
    page = Outline(
        render(
            HOSTILE, HOSTILE, [Section(heading=HOSTILE, blocks=blocks), Section(heading="none", blocks=[])]
        )
    )
    assert page.tags["script"] == 1  # the page's own
    assert page.tags["section"] == 1
    assert page.tags["h1"] == 1
    assert "0.1235" in page.texts


def test_page_fetches_nothing_and_its_names_are_unique(facts):
    text = render("x", "y", sections_of_run(facts()))
    page = Outline(text)
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", text)
    references = re.findall(r"url\(#([^)]*)\)", text) + [
        link[1:] for link in page.links if link.startswith("#")
    ]
    assert set(references) <= set(page.ids)


def test_figures_take_their_colours_from_the_page(facts):
    text = render("x", "y", sections_of_run(facts(predictions=None)))
    inside = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))
    assert "var(--c0)" in inside
    assert set(re.findall(r"#[0-9a-f]{6}\b", inside)) == set()


def test_report_on_a_run_has_a_section_for_all_that_is_known(facts):
    headings = [section.heading for section in sections_of_run(facts()) if section.blocks]
    assert headings == [
        "Metrics", "Training", "Findings", "Confusion", "Calibration", "Worst samples", "Layers", "Run", "Commands",
        "All settings",
    ]  # fmt: skip
    page = Outline(render("x", "y", sections_of_run(facts())))
    assert {"0.7500", "0.2 to 0.98", "majority", "0.5000"} <= set(page.texts)


def test_report_on_a_run_leaves_out_what_is_not_known(facts):
    run = facts(predictions=None, layers=(), worst=((), ()), findings=())
    headings = [section.heading for section in sections_of_run(run) if section.blocks]
    assert headings == ["Metrics", "Training", "Run", "Commands", "All settings"]


def test_comparison_names_runs_by_what_differs_and_warns_of_other_data(facts):
    runs = [facts(), facts(settings={"model": "mlp", "lr": 0.1}, evaluation={**EVALUATION, "n": 5})]
    page = Outline(render("x", "y", sections_of_comparison(runs)))
    assert any("not comparable" in text for text in page.texts)
    assert "0.75 (0.2 to 0.98)" in page.texts
    assert any("lr 0.1" in text for text in page.texts)
