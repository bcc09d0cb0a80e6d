"""Nets side by side from the command line: a page, figures, processes to compare with, a soak."""

from pathlib import Path

import pytest

from sparsetvm.cli import main

NETS = {"wide": "conv:16x16x3x28", "small": "conv:8x8x3x9"}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets")
    paths = []
    for name, net in NETS.items():
        paths.append(str(folder / f"{name}.stvm"))
        with pytest.raises(SystemExit):
            main(["compile", net, "--threads", "1", "-o", paths[-1]])
    return paths


def test_coexec_writes_a_page_and_says_how_each_stream_fared(sparsetvm, artifacts):
    run = sparsetvm(
        "coexec", *artifacts, "--rate", "10,20", "--deadline", "90,40", "--seconds", "1",
        "--against", "processes", "-o", "page.html", "--json",
    )  # fmt: skip
    assert run.code == 0, run.err
    ours, theirs = run.json["sides"]
    for side in (ours, theirs):
        asked = {stream["name"]: stream["asked"] for stream in side["streams"]}
        assert asked == {"wide": 10, "small": 20}
        assert [stream["deadline_ms"] for stream in side["streams"]] == [90, 40]
    assert all(run.json["times"][name]["alone"][0] > 0 for name in NETS)
    assert run.json["saved"] == {"weights": 0, "activations": 0}
    page = Path("page.html").read_text()
    assert "<svg" in page and "a process for each net" in page


def test_a_soak_checks_every_answer(sparsetvm, artifacts):
    run = sparsetvm(
        "coexec", *artifacts, "--rate", "30", "--seconds", "4", "--soak", "0.5", "--json"
    )
    assert run.json["wrong"] == run.json["accepted"] == 0
    assert run.json["refused"] > 0 and run.json["reloads"] > 2
    assert all(count > 0 for count in run.json["answers"].values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rate", "1,2,3"), "3 values for 2 nets"),
        (("--rate", "often"), "a number for each net"),
        (("--rate", "1", "--against", "threads"), "it can be processes"),
        (("--rate", "0"), "its rate is above 0"),
        (("--rate", "1", "--when-busy", "wait"), "known: latest"),
    ],
)
def test_what_is_asked_wrongly_is_said(sparsetvm, artifacts, options, message):
    run = sparsetvm("coexec", *artifacts, *options)
    assert run.code == 1
    assert message in " ".join(run.err.split())
