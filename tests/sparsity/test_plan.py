"""Plans: read strictly, resolved by name, then type, then default."""

import pytest

from sparsetvm.errors import FileError, PlanError
from sparsetvm.sparsity import BCR, Block, Connectivity, Dense, Pattern, PatternConnectivity, Plan
from sparsetvm.sparsity.plan import ready_plans

EXAMPLE = """
[default]
structure = "dense"

[[layers]]
type = "conv2d"
min_channels = 16
structure = "connectivity"
connectivity = 2

[[layers]]
match = "features.*"
structure = "pattern+connectivity"
entries = 4
patterns = 8
connectivity = 3.6
group = 8
block = 32

[[layers]]
match = "features.1*"
structure = "block"
"""

CONV = (64, 32, 3, 3)


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "plan.toml"
        path.write_text(text)
        return path

    return write


def test_a_layer_goes_by_name_then_type_then_default(write):
    plan = Plan.load(write(EXAMPLE))
    named = PatternConnectivity(group=8, block=32)
    assert plan.structure_for("features.10", "conv2d", CONV) == named
    assert plan.structure_for("features.10", "linear", (10, 10)) == named
    assert plan.structure_for("head.conv", "conv2d", CONV) == Connectivity(2)
    assert plan.structure_for("head.conv", "conv2d", (64, 3, 3, 3)) == Dense()
    assert plan.structure_for("head.conv", "conv1d", (64, 32, 3)) == Dense()


def test_the_first_rule_that_fits_wins():
    rules = [{"match": glob, "structure": "block"} for glob in ("a.*", "*")]
    rules[0]["filters"] = 2
    plan = Plan.from_dict({"layers": rules})
    assert plan.structure_for("a.b", "linear", (4, 4)) == Block(filters=2)
    assert plan.structure_for("b", "linear", (4, 4)) == Block(filters=4)


def test_conditions_of_one_rule_hold_together():
    rule = {"match": "a*", "type": "conv*", "min_channels": 8, "structure": "pattern"}
    plan = Plan.from_dict({"layers": [rule]})
    assert plan.structure_for("a", "conv3d", (4, 8, 3, 3, 3)) == Pattern()
    for other in (("b", "conv3d", 8), ("a", "linear", 8), ("a", "conv3d", 7)):
        name, kind, channels = other
        assert plan.structure_for(name, kind, (4, channels, 3, 3, 3)) == Dense()


def test_without_a_default_layers_stay_dense():
    assert Plan.from_dict({}) == Plan() == Plan.uniform("dense")


def test_a_uniform_plan_is_for_every_layer():
    plan = Plan.uniform("nm", n=1, m=4)
    assert str(plan.structure_for("any", "linear", (3, 3))) == "1:4"


def test_a_plan_comes_back_from_its_own_text(write):
    plan = Plan.load(write(EXAMPLE))
    assert Plan.load(write(plan.to_toml())) == plan
    given = Plan.uniform("pattern", entries=2, shapes=[[0, 1], [4, 3]])
    assert Plan.load(write(given.to_toml())) == given
    assert Plan.from_dict(given.to_dict()) == given


def test_a_saved_plan_is_whole_and_replaces_nothing_unasked(tmp_path):
    plan, path = Plan.uniform("kgs", rate=2.5), tmp_path / "plan.toml"
    plan.save(path)
    assert Plan.load(path) == plan
    with pytest.raises(FileError, match="exists"):
        Plan().save(path)
    assert Plan.load(str(path)) == plan
    Plan().save(path, overwrite=True)
    assert Plan.load(path) == Plan()


def test_to_toml_reads_as_a_person_would_write_it():
    plan = Plan.from_dict(
        {"layers": [{"type": "conv*", "structure": "nm", "n": 2, "m": 4, "group": 8}]}
    )
    assert plan.to_toml() == (
        '[default]\nstructure = "dense"\ngroup = 8\n\n'
        '[[layers]]\ntype = "conv*"\nstructure = "nm"\nn = 2\nm = 4\ngroup = 8\n'
    )


RECURRENT = ("bcr10x", "bcr8x-rnn")
"""Ready plans that are for other layers than convolutions."""


@pytest.mark.parametrize("name", RECURRENT)
def test_ready_plans_for_recurrent_nets_fit_their_weights_and_no_convolution(name):
    plan = Plan.load(name)
    for weight in ("rnn.weight_ih_l0", "rnn.weight_hh_l0"):
        assert isinstance(plan.structure_for(weight, "gru", (3072, 1024)), BCR)
    assert plan.structure_for("layer", "conv2d", CONV) == Dense()


@pytest.mark.parametrize("name", [name for name in ready_plans() if name not in RECURRENT])
def test_ready_plans_load_and_spare_first_depthwise_and_linear_layers(name):
    plan = Plan.load(name)
    assert plan == Plan.named(name)
    for kind, shape in [
        ("conv2d", (64, 3, 3, 3)),
        ("conv2d", (96, 1, 3, 3)),
        ("linear", (10, 512)),
    ]:
        assert plan.structure_for("layer", kind, shape) == Dense()
    inner = plan.structure_for("layer", "conv2d", CONV)
    assert (inner == Dense()) == (name == "dense")


@pytest.mark.parametrize("group", [1, 2, 4, 8])
def test_the_8x_plans_are_pattern_and_connectivity(group):
    structure = Plan.named(f"pattern8x-b{group}").structure_for("features.5", "conv2d", CONV)
    block = 32 if group == 1 else None  # single filters take x block by block
    assert structure == PatternConnectivity(4, 8, 3.6, group, block)


def test_the_other_ready_plans_are_what_their_names_say():
    def rate(name):
        return Plan.named(name).structure_for("conv", "conv2d", CONV).rate_for(CONV)

    assert rate("connectivity3.6x-b8") == rate("kgs3.6x") == rate("vanilla3.6x") == 3.6
    assert rate("kgs3.6x-planes") == 3.6
    assert rate("kgs3.2x") == rate("kgs3.2x-planes") == 3.2
    assert rate("block4x1-75") == 4
    assert rate("bcr8x-b8") == 8
    assert rate("block4x1-70") == pytest.approx(1 / 0.3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[defaults]", r"unknown key 'defaults'; did you mean 'default'\?"),
        ("default = 3", "default names no structure"),
        ("[default]\nentries = 4", 'default names no structure; add structure = "…", one of bcr'),
        (
            "[default]\nstructure = 'pattren'",
            r"unknown structure 'pattren'; did you mean 'pattern'",
        ),
        (
            "[default]\nstructure = 'pattern'\nentrys = 4",
            r"default: unknown key 'entrys'; did you mean 'entries'\?",
        ),
        (
            "[default]\nstructure = 'connectivity'\nentries = 4",
            "default: unknown key 'entries'; known: structure, connectivity, group, block",
        ),
        ("[default]\nstructure = 'block'\nrate = 0.3", "default: block: rate says how many times"),
        ("[default]\nstructure = 'dense'\nmatch = 'a'", "default: unknown key 'match'"),
        ("[layers]\nstructure = 'dense'", r"write \[\[layers\]\] with two brackets"),
        ("layers = [1]", "layer 1 names no structure"),
        ("[[layers]]\nstructure = 'dense'", 'layer 1: no layers are named; add match = "features'),
        ("[[layers]]\nmatch = 3\nstructure = 'dense'", "layer 1: match is a glob in quotes"),
        (
            "[[layers]]\ntype = 'conv4d'\nstructure = 'dense'",
            "layer 1: type 'conv4d' fits none of conv1d, conv2d, conv3d, linear",
        ),
        (
            "[[layers]]\nmin_channels = 0\nstructure = 'dense'",
            "layer 1: min_channels is a whole number from 1 up; got 0",
        ),
        ("[default\n", "is not valid TOML"),
    ],
)
def test_what_a_plan_cannot_mean_is_refused(text, message, write):
    path = write(text)
    with pytest.raises(PlanError, match=message) as caught:
        Plan.load(path)
    assert str(caught.value).startswith(str(path))


def test_a_match_that_fits_no_layer_names_the_nearest():
    plan = Plan.from_dict({"layers": [{"match": "featurs.0", "structure": "pattern"}]})
    plan.check_matches(["featurs.0"])
    with pytest.raises(
        PlanError, match=r"match 'featurs.0' fits no layer; did you mean 'features.0'"
    ):
        plan.check_matches(["features.0", "features.3"])


def test_a_plan_that_is_not_there_names_the_nearest_ready_one(tmp_path):
    with pytest.raises(PlanError, match=r"no plan file pattern8-b8 .* did you mean 'pattern8x-b8'"):
        Plan.load("pattern8-b8")
    with pytest.raises(PlanError, match="no ready plan 'zzz'; known: bcr10x, bcr8x-b8, bcr8x-rnn"):
        Plan.named("zzz")
    with pytest.raises(PlanError, match="cannot read plan"):
        Plan.load(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="cannot read plan"):
        Plan.load(tmp_path / "binary")
