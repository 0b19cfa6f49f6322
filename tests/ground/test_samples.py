"""The pictures that come with the package: complete provenance, sound files, and the structure they promise."""

from __future__ import annotations

import dataclasses
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d

import styletut
from styletut import images, samples
from styletut.errors import SampleError

DATA = Path(str(files("styletut") / "data"))
DRAWN = ("waves", "mosaic", "strokes", "dots")


def grey(picture: torch.Tensor) -> np.ndarray:
    return picture[0].double().mean(0).numpy()


def light(picture: torch.Tensor) -> torch.Tensor:
    """sRGB to linear light, in which a coarse pixel is the mean of its fine ones."""
    picture = picture.double()
    return torch.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)


def gradient(channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivative of a Gaussian (sigma 1.5 pixels) upwards and to the right: differences of pixels favour diagonals."""
    fy, fx = np.fft.fftfreq(channel.shape[0])[:, None], np.fft.fftfreq(channel.shape[1])
    transform = spectrum(channel) * np.exp(-2 * (np.pi * 1.5) ** 2 * (fx**2 + fy**2))
    return np.fft.ifft2(-2j * np.pi * fy * transform).real, np.fft.ifft2(2j * np.pi * fx * transform).real


def spectrum(channel: np.ndarray) -> np.ndarray:
    window = np.hanning(channel.shape[0])[:, None] * np.hanning(channel.shape[1])
    return np.fft.fft2((channel - channel.mean()) * window)


def hex_to_srgb(*colours: str) -> np.ndarray:
    return np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255


# ----------------------------------------------------------------------------------------- files and table


def test_the_files_and_the_table_agree() -> None:
    listed = sorted(s.file for s in samples.SAMPLES if s.file)
    assert listed == sorted(p.name for p in DATA.iterdir())


def test_the_files_weigh_less_than_1_5_megabytes() -> None:
    assert sum(p.stat().st_size for p in DATA.iterdir()) < 1_500_000


@pytest.mark.parametrize("sample", [s for s in samples.SAMPLES if s.file], ids=lambda s: s.name)
def test_every_file_has_the_size_the_table_says_and_carries_no_metadata(sample: samples.Sample) -> None:
    with Image.open(DATA / sample.file) as image:
        assert (image.height, image.width) == sample.size
        assert max(sample.size) <= 760
        assert not {"exif", "icc_profile", "xmp"} & set(image.info)


def test_every_sample_has_every_field() -> None:
    for sample in samples.SAMPLES:
        values = dataclasses.asdict(sample)
        assert sample.drawn == (not values.pop("file"))
        assert all(values.values()), sample.name
        assert sample.name == sample.name.lower() and sample.name.isidentifier()
        assert sample.kind in samples.KINDS


def test_names_are_unique_and_include_what_the_book_starts_with() -> None:
    assert len(set(samples.names())) == len(samples.names()) == len(samples.SAMPLES)
    assert "cat" in samples.names("photograph") and "starry_night" in samples.names("style")
    assert samples.names("photograph") + samples.names("style") == samples.names()
    assert len(samples.names("photograph")) >= 3 and len(samples.names("style")) >= 6


def test_every_licence_is_free_of_conditions_or_our_own() -> None:
    for sample in samples.SAMPLES:
        assert sample.licence == "generated (MIT)" if sample.drawn else sample.licence in ("public domain", "CC0")


def test_the_table_prints_and_returns_every_field_of_every_sample(capsys: pytest.CaptureFixture[str]) -> None:
    text = samples.table()
    assert capsys.readouterr().out == text + "\n"
    for sample in samples.SAMPLES:
        for field in ("name", "kind", "title", "author", "year", "source", "licence"):
            assert getattr(sample, field) in text
    assert "728 x 572" in text and max(map(len, text.splitlines())) <= 120


# ----------------------------------------------------------------------------------------- loading


@pytest.mark.parametrize("name", samples.names())
def test_every_sample_is_a_picture(name: str) -> None:
    picture = samples.load(name, 40)
    assert picture.dtype == torch.float32 and picture.dim() == 4 and picture.shape[:2] == (1, 3)
    assert max(picture.shape[2:]) == 40
    assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0.05


def test_without_a_size_a_sample_has_the_size_its_info_says() -> None:
    assert samples.load("cat").shape[2:] == samples.info("cat").size
    assert samples.load("dots").shape[2:] == samples.info("dots").size


def test_a_pair_is_rows_and_columns() -> None:
    assert samples.load("waves", (20, 30)).shape == (1, 3, 20, 30)
    assert samples.load("harvest", (20, 30)).shape == (1, 3, 20, 30)


def test_the_black_and_white_photograph_has_three_equal_channels() -> None:
    r, g, b = samples.load("cameraman", 64)[0]
    assert torch.equal(r, g) and torch.equal(g, b)


def test_changing_a_loaded_picture_does_not_change_the_next_one() -> None:
    first = samples.load("strokes", 24)
    kept = first.clone()
    first.zero_()
    assert torch.equal(samples.load("strokes", 24), kept)


def test_samples_load_out_of_a_zipped_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        archive.writestr("zipped_styletut/__init__.py", "")
        archive.write(DATA / "cat.jpg", "zipped_styletut/data/cat.jpg")
    monkeypatch.syspath_prepend(str(tmp_path / "zipped.zip"))
    direct = samples.load("cat", 32)
    monkeypatch.setattr(samples, "__package__", "zipped_styletut")
    assert torch.equal(samples.load("cat", 32), direct)


def test_a_wrong_name_gets_the_nearest_and_all() -> None:
    with pytest.raises(SampleError, match=r"'stary_night': did you mean 'starry_night'\? .*mosaic"):
        samples.load("stary_night")
    with pytest.raises(SampleError, match="unknown sample 'zzz'"):
        samples.info("zzz")


def test_a_wrong_kind_lists_the_kinds() -> None:
    with pytest.raises(SampleError, match="did you mean 'photograph'"):
        samples.names("photo graph")


@pytest.mark.parametrize("size", [0, -5, 1.5, True, "64", (4,), (0, 4), (4, 4, 4), (4, 2.0)])
@pytest.mark.parametrize("name", ["cat", "waves"])
def test_a_wrong_size_is_refused_by_name(name: str, size: object) -> None:
    with pytest.raises(SampleError, match="size is a number of pixels or"):
        samples.load(name, size)  # type: ignore[arg-type]


def test_a_size_beyond_memory_is_refused() -> None:
    with pytest.raises(SampleError, match="ask for fewer"):
        samples.load("waves", 200_000)


# ----------------------------------------------------------------------------------------- drawn styles


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_seed_draws_the_same_bytes_and_another_seed_does_not(name: str) -> None:
    draw = getattr(samples, name)
    assert torch.equal(draw((30, 40), seed=3), draw((30, 40), seed=3))
    assert not torch.equal(draw((30, 40), seed=3), draw((30, 40), seed=4))
    assert torch.equal(draw((30, 40)), samples.load(name, (30, 40)))


@pytest.mark.parametrize("name", DRAWN)
def test_another_size_shows_the_same_picture(name: str) -> None:
    draw = getattr(samples, name)
    large, small = light(draw(256)), light(draw(128))
    assert (avg_pool2d(large, 2) - small).abs().mean() < 0.04


@pytest.mark.parametrize("name", DRAWN)
def test_edges_are_antialiased(name: str) -> None:
    """A picture is the mean of its finer self, not a choice of one of its pixels."""
    draw = getattr(samples, name)
    fine = avg_pool2d(light(draw(512)), 4)
    picked = light(draw(512))[..., ::4, ::4]
    assert (light(draw(128)) - fine).abs().mean() < 0.5 * (picked - fine).abs().mean()


def test_lengths_out_of_range_say_that_they_are_fractions() -> None:
    for call in (
        lambda: samples.waves(16, period=64),
        lambda: samples.dots(16, period=0),
        lambda: samples.mosaic(16, cell=0.001),
        lambda: samples.strokes(16, width=float("nan")),
        lambda: samples.strokes(16, length=-1),
    ):
        with pytest.raises(SampleError, match="is a fraction of the longer side"):
            call()


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(SampleError, match="grout is from 0 to"):
        samples.mosaic(16, grout=0.6)
    with pytest.raises(SampleError, match="relief from 0 to 1"):
        samples.mosaic(16, relief=-0.1)
    with pytest.raises(SampleError, match="spread is in degrees"):
        samples.strokes(16, spread=-1)


@pytest.mark.parametrize("fans", [4, 8])
def test_waves_repeat_after_a_period_to_the_right_and_half_of_one_down(
    fans: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "WAVES_PALETTE", ("#12305c",) * 7)  # one dye: arcs alone
    side = 128
    arcs = grey(samples.waves(side, period=1 / fans))
    assert np.allclose(np.roll(arcs, side // fans, axis=1), arcs, atol=1e-6)
    assert np.allclose(np.roll(arcs, side // fans // 2, axis=0), arcs, atol=1e-6)
    power = np.abs(np.fft.fft2(arcs - arcs.mean())) > 1e-3
    assert {int(k) for k in np.flatnonzero(power.any(0))} <= set(range(0, side, fans))
    assert {int(k) for k in np.flatnonzero(power.any(1))} <= set(range(0, side, 2 * fans))
    assert power[:, fans].any()  # the period is not a fraction of the one promised


def test_waves_of_many_dyes_still_have_the_peaks_of_their_lattice() -> None:
    power = np.abs(spectrum(grey(samples.waves(256, period=1 / 8))))
    row, column = np.unravel_index(np.argmax(np.where(np.arange(256)[:, None] == 0, 0, power)[:128, :128]), (128, 128))
    assert row % 16 == 0 and column % 8 == 0


def test_waves_use_the_dyes_in_their_shares() -> None:
    assert sum(samples.WAVES_SHARES) == pytest.approx(1) and len(samples.WAVES_SHARES) == len(samples.WAVES_PALETTE)


def test_mosaic_without_relief_has_its_palette_and_its_grout_alone() -> None:
    picture = samples.mosaic(384, relief=0, grout=0.12)[0].permute(1, 2, 0).double().numpy().reshape(-1, 1, 3)
    colours = hex_to_srgb(samples.MOSAIC_GROUT, *samples.MOSAIC_PALETTE)
    distance = np.abs(picture - colours).max(-1)
    pure = distance.min(1) < 1e-3
    assert pure.mean() > 0.6  # the rest is antialiased edges
    assert set(distance[pure].argmin(1)) == set(range(13))


@pytest.mark.parametrize("grout", [0.06, 0.12, 0.2])
def test_mosaic_grout_takes_about_twice_its_width_of_the_picture(grout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOSAIC_GROUT", "#ffffff")
    monkeypatch.setattr(samples, "MOSAIC_PALETTE", ("#000000",) * 12)
    assert light(samples.mosaic(384, relief=0, grout=grout)).mean().item() == pytest.approx(
        2 * grout * (1 - grout / 2), rel=0.12
    )  # joints overlap where they meet


def test_mosaic_has_as_many_tesserae_as_its_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = pytest.importorskip("skimage.measure")
    monkeypatch.setattr(samples, "MOSAIC_GROUT", "#ffffff")
    monkeypatch.setattr(samples, "MOSAIC_PALETTE", ("#000000",) * 12)
    tiles = grey(samples.mosaic(320, cell=1 / 10, grout=0.2, relief=0)) < 0.5
    areas = [r.area for r in measure.regionprops(measure.label(tiles)) if min(r.bbox[:2]) > 0 and max(r.bbox[2:]) < 320]
    expected = 32 * 32 * np.sqrt(3) / 2
    assert 0.6 * expected < np.mean(areas) < 0.72 * expected  # about (1 - 0.2)^2 = 0.64 of a cell


def test_mosaic_relief_lights_the_top_left_of_a_tessera() -> None:
    flat, lit = (grey(samples.mosaic(256, cell=1 / 8, relief=relief)) for relief in (0, 0.5))
    brighter, darker = lit > flat + 0.02, lit < flat - 0.02
    assert brighter.mean() > 0.03 and darker.mean() > 0.03
    # 6 pixels up and left from a bright edge is, past the joint, the dark edge of the next tessera.
    up_left, down_right = (np.roll(brighter, (by, by), (0, 1)) for by in (-6, 6))
    assert (up_left & darker).mean() > 3 * (down_right & darker).mean()


@pytest.mark.parametrize("angle", [0.0, 30.0, 75.0, 120.0, -30.0])
def test_strokes_run_at_their_angle(angle: float) -> None:
    """The structure tensor's weak eigenvector is the direction along which the picture changes least."""
    up, right = gradient(grey(samples.strokes(256, angle=angle, spread=3.0)))
    tensor = np.array([[(right * right).sum(), (right * up).sum()], [(right * up).sum(), (up * up).sum()]])
    values, vectors = np.linalg.eigh(tensor)
    found = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
    assert abs((found - angle + 90) % 180 - 90) < 4
    assert values[1] > 2.5 * values[0]


def test_a_wider_spread_makes_strokes_less_coherent() -> None:
    def coherence(spread: float) -> float:
        up, right = gradient(grey(samples.strokes(192, spread=spread)))
        xx, yy, xy = (right**2).sum(), (up**2).sum(), (right * up).sum()
        return float(np.hypot(xx - yy, 2 * xy) / (xx + yy))

    assert coherence(0) > coherence(20) > coherence(80)


def test_strokes_cover_the_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "STROKES_GROUND", "#00ff00")
    r, g, b = samples.strokes(192)[0]
    assert ((g > 0.9) & (r < 0.2) & (b < 0.2)).float().mean() < 0.02


@pytest.mark.parametrize("ink", [0, 1, 2])
def test_dots_have_their_period_and_their_angle(ink: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inks = ["#ffffff"] * 3
    inks[ink] = "#000000"
    monkeypatch.setattr(samples, "DOTS_INKS", tuple(inks))
    power = np.abs(spectrum(grey(samples.dots(320, period=1 / 40))))
    power[:8, :8] = power[-8:, :8] = power[:8, -8:] = power[-8:, -8:] = 0  # the tones, not the screen
    row, column = np.unravel_index(np.argmax(power), power.shape)
    up, right = -(row if row < 160 else row - 320), column if column < 160 else column - 320
    assert np.hypot(up, right) == pytest.approx(40, abs=1)  # 40 dots across the picture
    angle = np.degrees(np.arctan2(up, right))
    assert abs((angle - samples.DOTS_ANGLES[ink] + 45) % 90 - 45) < 2  # a square screen looks the same every 90


def test_dots_keep_tones_between_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "DOTS_PAPER", "#ffffff")
    monkeypatch.setattr(samples, "DOTS_INKS", ("#000000", "#ffffff", "#ffffff"))
    tone = 1 - light(samples.dots(320, period=1 / 20))[0, 0].numpy().reshape(20, 16, 20, 16).mean((1, 3))
    assert tone.min() > 0.03 and tone.max() < 0.63


def test_the_package_is_where_the_data_is() -> None:
    assert DATA.parent == Path(styletut.__file__).parent


def test_show_is_a_contact_sheet_of_every_sample() -> None:
    every, photographs = samples.show(), samples.show("photograph")
    assert every.mode == "RGB" and every.width > photographs.width and every.height > photographs.height
    pixels = images.from_pil(photographs)
    for name in samples.names("photograph"):
        assert _found(images.from_pil(images.to_pil(samples.load(name, samples.SHOWN))), pixels), name
    with pytest.raises(SampleError):
        samples.show("drawing")


def _found(picture: torch.Tensor, sheet: torch.Tensor) -> bool:
    """Whether a picture is somewhere in another, to the last bit."""
    corner = picture[0, :, 0, 0]
    places = (sheet[0] == corner[:, None, None]).all(0).nonzero().tolist()
    rows, cols = picture.shape[-2:]
    return any(torch.equal(sheet[..., y : y + rows, x : x + cols], picture) for y, x in places)
