"""Which form of a layer runs."""

from sparsetvm.passes.form import Form, fastest

DIRECT, TILES = Form(True), Form(True, 4)


def test_the_fastest_form_runs():
    assert fastest({DIRECT: 1.1, TILES: 1.0, Form(False): 3.0}) == TILES
    assert fastest({DIRECT: 1.0, TILES: 1.1, Form(False): 0.9}) == Form(False)


def test_of_forms_as_fast_as_each_other_the_most_accurate_runs():
    assert fastest({TILES: 1.0, DIRECT: 1.04}) == DIRECT
    assert fastest({Form(True, 2): 1.04, TILES: 1.0, DIRECT: 1.06}) == Form(True, 2)


def test_a_form_is_read_from_its_words():
    for form in (DIRECT, TILES, Form(False), Form(False, 2)):
        assert Form.parse(str(form)) == form
