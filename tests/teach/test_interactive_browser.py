"""Interactive figures in a real browser: mouse, touch, keyboard, screen reader."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from teach_helpers import picture, stripped

from styletut import figures
from styletut.teach.figures import divider, frames, grid, hover

RED, GREEN, BLUE = (0.9, 0.1, 0.1), (0.1, 0.7, 0.1), (0.1, 0.1, 0.9)


def red_and_blue(rows: int = 120, cols: int = 360) -> figures.HTMLFigure:
    return divider(picture(rows, cols, RED), picture(rows, cols, BLUE), ("photograph", "painting"))


def traffic_light() -> figures.HTMLFigure:
    return frames([picture(120, 360, colour) for colour in (RED, GREEN, BLUE)], ["red", "green", "blue"])


COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}


def three_names() -> figures.HTMLFigure:
    return hover([picture(120, 360, colour) for colour in COLOURS.values()], list(COLOURS), start=1)


def colour_table() -> figures.HTMLFigure:
    """Red, green and blue along the columns; the second row is the first one, moved by one."""
    row = [picture(120, 360, colour) for colour in COLOURS.values()]
    return grid([row, row[1:] + row[:1]], ["kept", "moved"], [1, 2, 3], ("order", "number"), start=(0, 1))


def seen(page: Any, across: float, selector: str = ".stage") -> str:
    """The strongest colour that the reader sees at a share of the way across the stage, near its top."""
    image = Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("RGB")
    channels: Any = image.getpixel((round(across * (image.width - 1)), 6))
    return ("red", "green", "blue")[int(np.argmax(channels))]


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_the_keyboard_moves_the_divider(visit, inserted):
    page = visit(red_and_blue(), inserted=inserted)
    slider = page.get_by_role("slider", name="Move the divider")
    assert (seen(page, 0.45), seen(page, 0.55)) == ("red", "blue")
    page.keyboard.press("Tab")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "70 % photograph, 30 % painting"
    assert (seen(page, 0.65), seen(page, 0.75)) == ("red", "blue")
    page.keyboard.press("Home")
    assert seen(page, 0.04) == "blue"


@pytest.mark.browser
def test_the_pointer_drags_the_divider_and_hands_over_to_the_keys(visit):
    page = visit(red_and_blue())
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 30)
    assert (seen(page, 0.15), seen(page, 0.25)) == ("red", "blue")
    page.mouse.up()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 30)
    assert seen(page, 0.25) == "blue"
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "25 % photograph, 75 % painting"


def ring(page: Any) -> str:
    return page.locator(".knob svg").evaluate("knob => getComputedStyle(knob).boxShadow")


@pytest.mark.browser
def test_who_drags_sees_no_focus_ring_and_who_types_does(visit):
    page = visit(red_and_blue())
    bare = ring(page)
    page.keyboard.press("Tab")
    assert ring(page) != bare
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 30)
    page.mouse.down()
    page.mouse.up()
    assert ring(page) == bare
    page.keyboard.press("ArrowRight")
    assert ring(page) != bare


@pytest.mark.browser
def test_a_swipe_down_the_page_leaves_the_divider_and_one_across_moves_it(visit):
    tall = "<p style='height:2000px'>below</p>"
    page = visit(red_and_blue(), tall, viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    slider, box = page.get_by_role("slider"), page.locator(".stage").bounding_box()
    session = page.context.new_cdp_session(page)

    def swipe(across: float, up: float) -> None:
        start = {"x": box["x"] + 0.3 * box["width"], "y": box["y"] + 0.6 * box["height"]}
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [start]})
        for step in range(1, 9):
            point = {"x": start["x"] + across * step / 8, "y": start["y"] - up * step / 8}
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(across=4, up=60)
    page.wait_for_function("scrollY > 20")
    assert slider.input_value() == "50"
    page.evaluate("scrollTo(0, 0)")
    swipe(across=0.5 * box["width"], up=4)
    assert slider.input_value() == "80"
    page.touchscreen.tap(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    assert slider.input_value() == "25"


@pytest.mark.browser
def test_the_names_on_a_narrow_divider_stay_on_their_side_whole(visit):
    names = ("photograph", "painted, 40 evaluations")
    page = visit(
        f"<div style='width:240px'>{divider(picture(160, 160, RED), picture(160, 160, BLUE), names).html}</div>"
    )
    before, after = (name.bounding_box() for name in page.locator("figcaption").all())
    stage = page.locator(".stage").bounding_box()
    middle = stage["x"] + stage["width"] / 2
    assert before["x"] + before["width"] <= middle <= after["x"]
    broken = page.evaluate(
        """() => [...document.querySelectorAll("figcaption")].filter(name => {
          const range = document.createRange(), text = name.firstChild;
          return [...text.data.matchAll(/\\S+/g)].some(word => {
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            return range.getClientRects().length > 1;
          });
        }).length"""
    )
    assert broken == 0


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_the_slider_shows_the_right_frame_and_only_that(visit, inserted):
    page = visit(traffic_light(), inserted=inserted)
    slider = page.get_by_role("slider", name="Frame")
    assert seen(page, 0.5) == "red"
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert seen(page, 0.5) == "green"
    assert slider.get_attribute("aria-valuetext") == "green"
    assert [image.get_attribute("alt") for image in page.get_by_role("img").all() if image.is_visible()] == ["green"]
    page.keyboard.press("End")
    assert seen(page, 0.5) == "blue"


@pytest.mark.browser
def test_play_runs_to_the_end_once_and_can_be_paused(visit):
    page = visit(traffic_light())
    page.clock.install(time=0)
    page.clock.pause_at(1)  # it moves only when told: the seconds of a busy machine do not count
    slider = page.get_by_role("slider")
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(1000)
    assert slider.input_value() == "1"
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(5000)
    assert slider.input_value() == "1"
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(5000)
    assert slider.input_value() == "2"
    page.get_by_role("button", name="Play").click()
    assert slider.input_value() == "0"


@pytest.mark.browser
def test_who_wants_less_motion_has_the_slider_and_no_play_button(visit):
    page = visit(traffic_light(), reduced_motion="reduce")
    assert page.get_by_role("slider").is_visible()
    assert page.get_by_role("button").count() == 0


@pytest.mark.browser
def test_playing_stops_when_the_reader_asks_for_less_motion(visit):
    page = visit(traffic_light())
    page.clock.install(time=0)
    page.clock.pause_at(1)  # it moves only when told: the seconds of a busy machine do not count
    page.get_by_role("button", name="Play").click()
    page.emulate_media(reduced_motion="reduce")
    page.clock.run_for(5000)
    assert page.get_by_role("slider").input_value() == "0"


@pytest.mark.browser
def test_without_scripts_every_picture_is_seen_and_no_control(visit):
    rgb = ["red", "green", "blue"]
    moved = ["green", "blue", "red"]
    for figure, colours in (
        (red_and_blue(), ["red", "blue"]),
        (traffic_light(), rgb),
        (three_names(), rgb),
        (colour_table(), rgb + moved),
    ):
        page = visit(figure, java_script_enabled=False)
        assert [seen(page, 0.5, f".pic >> nth={i}") for i in range(page.locator(".pic").count())] == colours
        assert [page.get_by_role(role).count() for role in ("slider", "button", "radio")] == [0, 0, 0]
        assert page.locator("figcaption").all_inner_texts() == page.locator("img").evaluate_all(
            "all => all.map(i => i.alt)"
        )


@pytest.mark.browser
def test_without_styles_and_scripts_one_picture_is_seen_and_no_control(visit):
    for figure, count in ((red_and_blue(), 2), (traffic_light(), 1), (three_names(), 1), (colour_table(), 1)):
        page = visit(stripped(figure))
        assert sum(image.is_visible() for image in page.locator("img").all()) == count
        assert not any(control.is_visible() for control in page.locator("input, button, label").all())
        assert page.get_by_text("Run this cell").is_visible()
    page = visit(red_and_blue(), traffic_light(), three_names(), colour_table())
    assert not any(word.is_visible() for word in page.get_by_text("Run this cell").all())


@pytest.mark.browser
def test_a_host_hears_no_key_that_is_pressed_in_a_figure_but_its_own_shortcuts(visit):
    host = """<script>heard = []; document.addEventListener("keydown", function (event) {
        heard.push(event.key); event.preventDefault(); }, true);</script>"""
    page = visit(host, red_and_blue(), traffic_light(), colour_table())
    for slider in page.get_by_role("slider").all():
        before = slider.get_attribute("aria-valuetext")
        slider.focus()
        page.keyboard.press("End")
        page.keyboard.press("d")
        assert slider.get_attribute("aria-valuetext") != before
    assert page.evaluate("heard") == []
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Control+s")
    assert {"Enter", "s"} <= set(page.evaluate("heard"))
    page.evaluate("document.activeElement.blur(); heard.length = 0")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("heard") == ["ArrowDown"]


@pytest.mark.browser
def test_the_knob_is_round_where_a_host_limits_the_width_of_svg(visit):
    page = visit("<style>main svg{max-width:100%}</style>", red_and_blue())
    box = page.locator(".knob svg").bounding_box()
    assert (round(box["width"]), round(box["height"])) == (40, 40)


@pytest.mark.browser
def test_print_shows_every_picture(visit):
    page = visit(red_and_blue(), traffic_light(), three_names(), colour_table())
    page.emulate_media(media="print")
    assert page.locator(".stage img").count() == 2 + 3 + 3 + 6
    assert all(image.is_visible() for image in page.locator(".stage img").all())
    assert [page.get_by_role(role).count() for role in ("slider", "button", "radio")] == [0, 0, 0]
    assert page.locator(".map img").first.is_hidden()


@pytest.mark.browser
def test_a_grid_without_scripts_is_a_table(visit):
    page = visit(colour_table(), java_script_enabled=False)
    boxes = [image.bounding_box() for image in page.locator("img").all()]
    assert len({box["y"] for box in boxes[:3]}) == len({box["y"] for box in boxes[3:]}) == 1
    assert [box["x"] for box in boxes[:3]] == [box["x"] for box in boxes[3:]]


@pytest.mark.browser
def test_many_figures_share_a_page_even_the_same_one_twice(visit):
    page = visit(red_and_blue(), red_and_blue(), traffic_light(), colour_table(), colour_table())
    sliders = page.get_by_role("slider").all()
    for slider in sliders:
        slider.focus()
        page.keyboard.press("ArrowRight")
    assert [slider.input_value() for slider in sliders] == ["55", "55", "1", "1", "2", "1", "2"]


@pytest.mark.browser
def test_the_names_of_two_figures_on_a_page_know_nothing_of_each_other(visit):
    page = visit(three_names(), three_names())
    assert [radio.is_checked() for radio in page.get_by_role("radio").all()] == [False, True, False] * 2
    page.get_by_role("radio", name="red").first.click()
    assert [radio.is_checked() for radio in page.get_by_role("radio").all()] == [True, False, False, False, True, False]
    assert [seen(page, 0.5), seen(page, 0.5, ".stage >> nth=1")] == ["red", "green"]


@pytest.mark.browser
def test_a_phone_needs_no_sideways_scrolling(visit):
    many = hover([picture(200, 900)] * 9, [f"a name of some length {i}" for i in range(8)] + ["x" * 90])
    wide = grid([[picture(100, 900)] * 9] * 9, list(range(9)), [f"a value of some length {i}" for i in range(9)])
    page = visit(red_and_blue(400, 1200), traffic_light(), many, wide, viewport={"width": 390, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for control in page.locator(".bar > :is(input, button), .dials input").all():
        assert control.bounding_box()["height"] >= 36
    for label in page.locator(".keys label").all():
        box = label.bounding_box()
        assert box["height"] >= 40 and box["width"] >= 40
    for cell in page.locator(".map i").all():
        assert min(cell.bounding_box()[side] for side in ("width", "height")) >= 24


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_pointing_at_a_name_shows_its_picture_and_leaving_goes_back(visit, inserted):
    page = visit(three_names(), inserted=inserted)
    assert seen(page, 0.5) == "green"
    page.get_by_role("radio", name="blue").hover()
    assert seen(page, 0.5) == "blue"
    assert page.locator("figcaption:visible").all_inner_texts() == ["blue"]
    page.get_by_role("radio", name="red").hover()
    assert seen(page, 0.5) == "red"
    page.mouse.move(600, 600)
    assert seen(page, 0.5) == "green"
    assert page.get_by_role("radio", checked=True).get_attribute("value") == "1"


@pytest.mark.browser
def test_moving_from_one_name_to_the_next_does_not_show_the_kept_picture(visit):
    page = visit(three_names())
    red, green = (page.locator("label", has_text=name).bounding_box() for name in ("red", "green"))
    assert red["x"] + red["width"] == pytest.approx(green["x"], abs=0.02)


@pytest.mark.browser
def test_a_click_on_a_name_keeps_its_picture(visit):
    page = visit(three_names())
    page.get_by_role("radio", name="blue").click()
    page.mouse.move(600, 600)
    assert seen(page, 0.5) == "blue"
    assert page.get_by_role("radio", checked=True).get_attribute("value") == "2"


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_the_keyboard_goes_through_the_names(visit, inserted):
    page = visit(three_names(), inserted=inserted)
    page.keyboard.press("Tab")
    focused = page.get_by_role("radio", checked=True)
    assert focused.evaluate("input => input === document.activeElement")
    ring = "input => getComputedStyle(input.nextElementSibling).outlineWidth"
    assert focused.evaluate(ring) == "3px"
    page.keyboard.press("ArrowRight")
    assert seen(page, 0.5) == "blue"
    page.keyboard.press("Enter")  # a form: it must neither reload the page nor lose the picture
    assert seen(page, 0.5) == "blue"
    page.keyboard.press("ArrowRight")
    assert seen(page, 0.5) == "red"
    assert page.evaluate("location.search") == ""
    page.keyboard.press("Tab")  # one stop, not three
    assert not page.evaluate("document.activeElement.matches('.styletut-figure input')")


@pytest.mark.browser
def test_a_tap_on_a_name_keeps_its_picture(visit):
    page = visit(three_names(), viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    page.get_by_role("radio", name="blue").tap()
    assert seen(page, 0.5) == "blue"
    page.locator(".stage").tap()
    assert seen(page, 0.5) == "blue"


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_two_sliders_choose_the_picture_of_their_values(visit, inserted):
    page = visit(colour_table(), inserted=inserted)
    order, number = page.get_by_role("slider", name="order"), page.get_by_role("slider", name="number")
    assert seen(page, 0.5) == "green"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert order.get_attribute("aria-valuetext") == "moved" and seen(page, 0.5) == "blue"
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert number.get_attribute("aria-valuetext") == "3" and seen(page, 0.5) == "red"
    assert page.locator("figcaption:visible").all_inner_texts() == ["order moved, number 3"]
    assert page.locator(".dials b").all_inner_texts() == ["moved", "3"]
    assert page.locator(".map i").evaluate_all("all => all.findIndex(i => i.classList.contains('on'))") == 5
    page.keyboard.press("Tab")  # the map adds no stop
    assert not page.evaluate("document.activeElement.closest('.styletut-figure') !== null")


@pytest.mark.browser
def test_pointing_at_the_map_chooses_and_the_sliders_follow(visit):
    page = visit(colour_table())
    assert page.locator(".map i").count() == 6
    page.locator(".map i").nth(2).hover()
    assert seen(page, 0.5) == "blue"
    page.locator(".map i").nth(5).hover()
    assert seen(page, 0.5) == "red"
    page.mouse.move(850, 690)
    assert seen(page, 0.5) == "red"
    sliders = page.get_by_role("slider").all()
    assert [slider.input_value() for slider in sliders] == ["1", "2"]
    assert [slider.get_attribute("aria-valuetext") for slider in sliders] == ["moved", "3"]
    sliders[0].focus()
    page.keyboard.press("ArrowLeft")
    assert seen(page, 0.5) == "blue"


@pytest.mark.browser
def test_a_tap_on_the_map_chooses(visit):
    page = visit(colour_table(), viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    page.locator(".map i").nth(3).tap()
    assert page.locator("figcaption:visible").all_inner_texts() == ["order moved, number 1"]
    for cell in page.locator(".map i").all():
        assert min(cell.bounding_box()[side] for side in ("width", "height")) >= 24


@pytest.mark.browser
def test_a_grid_of_one_row_has_one_slider(visit):
    page = visit(grid([[picture(120, 360, colour) for colour in COLOURS.values()]], ["only"], list(COLOURS)))
    slider = page.get_by_role("slider")
    assert slider.count() == 1
    slider.focus()
    page.keyboard.press("End")
    assert seen(page, 0.5) == "blue"


@pytest.mark.browser
def test_a_screen_reader_meets_one_picture_and_named_controls(visit):
    for figure, role, names in (
        (three_names(), "radio", ["red", "green", "blue"]),
        (colour_table(), "slider", ["order", "number"]),
    ):
        page = visit(figure)
        assert page.get_by_role("img").count() == 1
        assert page.get_by_role("group", name=figure.alt, exact=True).count() == 1
        assert [page.get_by_role(role, name=name).count() for name in names] == [1] * len(names)


@pytest.mark.browser
def test_nothing_moves_while_the_reader_plays(visit):
    page = visit(frames([picture(60, 300), picture(60, 300)], ["short", "a far longer label " * 8]), "<p>below</p>")
    before = page.get_by_text("below").bounding_box()
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    assert page.get_by_text("below").bounding_box() == before


@pytest.mark.browser
def test_a_theme_cannot_filter_the_colours_or_hide_the_text(visit):
    theme = """<style>body{background:#111;color:#eee} html main img:not(.only-dark):not(.dark-light){filter:invert(1);
        border:9px solid} main figure{margin:40px} main figcaption{text-align:center} main input{width:30px}</style>"""
    page = visit(theme, traffic_light())
    assert seen(page, 0.5) == "red"
    style = "element => { const s = getComputedStyle(element); return [s.color, s.textAlign, s.filter]; }"
    assert page.locator("figcaption").first.evaluate(style) == ["rgb(238, 238, 238)", "left", "none"]
    assert page.get_by_role("slider").bounding_box()["width"] > 200


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_page_passes_the_accessibility_checker(browser, tmp_path, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(color_scheme=scheme)
    for i, figure in enumerate((red_and_blue(), traffic_light(), three_names(), colour_table())):
        page.goto(figure.save(tmp_path / f"{i}.html").as_uri())
        found = axe.Axe().run(page, options={"rules": {"region": {"enabled": False}}}).response["violations"]
        assert [(each["id"], each["impact"]) for each in found if each["impact"] in ("serious", "critical")] == []
    page.close()
