"""What goes into the standalone app, and what macOS is told of it, as far as nothing is built."""

import plistlib
from pathlib import Path

import pytest

from scripts.bundle import contents, mac
from scripts.bundle.icon import PIXELS, write_icon
from scripts.bundle.licences import licences

APP = Path("/dist/mlx-gui.app")
INSIDE = [
    APP / "Contents/MacOS/mlx-gui",
    APP / "Contents/Frameworks/libmlx.dylib",
    APP / "Contents/Frameworks/Python.framework",
    APP / "Contents/Frameworks/Python.framework/Versions/3.13/Python",
    APP / "Contents/Frameworks/mlx/core.cpython-313-darwin.so",
]


def test_every_module_that_is_found_by_name_goes_in() -> None:
    found = set(contents.hidden_modules())
    assert {
        "mlx_gui.cli.import_",
        "mlx_gui.worker.loop",
        "mlx_gui.engines.text.engine",
        "mlx_lm.models.llama",
        "mlx_vlm.models.qwen2_vl.qwen2_vl",
        "mlx.nn.layers.linear",
    } <= found
    assert not [name for name in found if name.startswith("mlx_gui.store.migrations")]


def test_all_that_is_no_module_is_there_and_named() -> None:
    named = {
        Path(source).name: target
        for source, target in contents.data_files()
        if Path(source) != contents.STARTER
    }
    assert named["starters.toml"] == "mlx_gui/catalog"
    package = contents.ROOT / "src" / "mlx_gui"
    plain = [
        file
        for file in package.rglob("*")
        if file.is_file()
        and file.suffix not in (".py", ".pyc")
        and "static" not in file.relative_to(package).parts
    ]
    assert {file.name for file in plain} <= set(named)


def test_what_is_left_out_is_no_dependency_that_we_name() -> None:
    pins = contents.PINS.read_text().lower()
    assert "mlx-lm==" in pins
    left_out = {"opencv-python", "datasets", "pyarrow", "pandas", "torch", "scipy"}
    assert [name for name in left_out if f"\n{name}==" in pins] == []


def test_the_kernels_lie_beside_each_name_of_mlx() -> None:
    listed = [
        ("mlx/lib/libmlx.dylib", "/venv/mlx/lib/libmlx.dylib", "BINARY"),
        ("libmlx.dylib", "mlx/lib/libmlx.dylib", "SYMLINK"),
        ("mlx/lib/mlx.metallib", "/venv/mlx/lib/mlx.metallib", "DATA"),
    ]
    assert contents.metallibs(listed) == [("mlx.metallib", "mlx/lib/mlx.metallib", "SYMLINK")]
    assert contents.metallibs(listed[:2]) == []


def test_what_goes_with_the_system_or_is_under_the_gpl_stays_out() -> None:
    listed = [
        ("libmvec.so.1", "/lib/libmvec.so.1", "BINARY"),
        ("libcudart.so.13", "/usr/local/lib/libcudart.so.13", "BINARY"),
        ("libssl.so.3", "/lib/libssl.so.3", "BINARY"),
    ]
    assert contents.carried(listed) == listed[2:]
    assert contents.of_system(listed) == sorted(Path(source) for _, source, _ in listed)
    assert "readline" in contents.LEFT_OUT


def test_licences_are_of_packages_and_of_what_the_system_gave() -> None:
    packages = [contents.distribution("mlx-lm"), contents.distribution("tokenizers")]
    text = licences(packages, [], contents.ROOT / "LICENSE")
    assert "\nmlx-lm " in text
    assert "\ntokenizers " in text
    assert "Apache License" in text
    with pytest.raises(SystemExit, match="no licence is here"):
        licences([], [Path("/nowhere/libsecret.so")], contents.ROOT / "LICENSE")


def test_the_icon_is_the_mark_on_nothing(tmp_path: Path) -> None:
    from PIL import Image

    write_icon(tmp_path / "icon.png")
    with Image.open(tmp_path / "icon.png") as icon:
        assert icon.size == (PIXELS, PIXELS)
        assert icon.getpixel((0, 0)) == (0, 0, 0, 0)
        assert icon.getpixel((PIXELS // 2, PIXELS // 2 - PIXELS // 8)) == (0x8F, 0xAA, 0xFF, 255)


def test_macos_is_told_who_it_is_where_it_runs_and_why_it_listens() -> None:
    told = plistlib.loads(plistlib.dumps(mac.info_plist()))
    assert told["LSMinimumSystemVersion"] == "14.0"
    assert told["LSArchitecturePriority"] == ["arm64"]
    assert told["CFBundleURLTypes"][0]["CFBundleURLSchemes"] == ["mlx-gui"]
    assert "does not leave" in told["NSMicrophoneUsageDescription"]


def test_it_asks_for_what_python_and_mlx_need_and_for_the_microphone() -> None:
    assert mac.entitlements() == {
        "com.apple.security.cs.allow-jit": True,
        "com.apple.security.cs.allow-unsigned-executable-memory": True,
        "com.apple.security.cs.disable-library-validation": True,
        "com.apple.security.device.audio-input": True,
    }


def test_what_lies_inside_is_signed_before_what_it_lies_in() -> None:
    commands = mac.steps(APP, INSIDE, identity="Developer ID", profile="")
    signed = [Path(command[-1]) for command in commands if "--sign" in command]
    assert signed[-1] == APP
    assert sorted(signed[:-1]) == sorted(INSIDE)
    for number, path in enumerate(signed):
        assert not any(later.is_relative_to(path) for later in signed[number + 1 :])
    entitled = [Path(command[-1]) for command in commands if "--entitlements" in command]
    assert entitled == [INSIDE[0], APP]
    assert all("runtime" in command for command in commands if "--sign" in command)


def test_nothing_is_packed_before_it_is_signed_nor_sent_without_being_asked() -> None:
    def begins(profile: str) -> list[str]:
        commands = mac.steps(APP, INSIDE, identity="Developer ID", profile=profile)
        return [" ".join(command[:3]) for command in commands]

    sent = begins("mine")
    order = [
        "codesign --force --timestamp",
        "codesign --verify --deep",
        "ditto -c -k",
        "xcrun notarytool submit",
        "xcrun stapler staple",
        "hdiutil create -volname",
    ]
    assert [sent.index(each) for each in order] == sorted(sent.index(each) for each in order)
    # The app before it is packed, then the image into which it was packed.
    assert sent.count("xcrun stapler staple") == 2
    assert sent[-1] == "spctl --assess --type"
    assert [each for each in begins("") if each.startswith("xcrun")] == []


def test_a_dry_run_prints_each_command_and_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert mac.main(["--dry-run", "--identity", "Developer ID", "--profile", "mine"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert all(line.startswith("+ ") for line in printed)
    assert any("--keychain-profile mine --wait" in line for line in printed)
    with pytest.raises(SystemExit):
        mac.main(["--dry-run", "--profile", "mine"])
    assert "needs --identity" in capsys.readouterr().err
