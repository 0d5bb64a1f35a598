"""`python -m train`: builds models/<hash of everything that goes in>.tar.gz, or says that it is there already."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import List, Text

HERE = Path(__file__).resolve().parent
MODELS = HERE / "models"
VECTORS = HERE / "vectors.npz"  # what the engine made of the training utterances, so that a first training is quick
INPUTS = ("config.yml", "vectors.npz", "domain.yml", "augment.py", "uv.lock", "components/*.py", "data/**/*.yml")
SHELF = HERE / ".rasa" / "embeddings.npz"
KEPT = 3  # models of earlier inputs that stay


def fingerprint() -> Text:
    """This will give the hash of every file that the model depends on."""
    digest = hashlib.sha256()
    for path in inputs():
        digest.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def inputs() -> List[Path]:
    """This will list those files, in a fixed order."""
    return sorted({path for pattern in INPUTS for path in HERE.glob(pattern)})


def model_path() -> Path:
    """This will name the model of the inputs as they are now."""
    return MODELS / f"{fingerprint()}.tar.gz"


def main() -> None:
    """This will train when there is no model of these inputs yet."""
    path = model_path()
    if path.exists():
        print(f"assistant: {path.name} is up to date")
        return
    print(f"assistant: training {path.name} (one to two minutes of CPU)", flush=True)
    started, busy = time.monotonic(), time.process_time()
    _train(path)
    for old in sorted(MODELS.glob("*.tar.gz"), key=lambda found: found.stat().st_mtime)[: -1 - KEPT]:
        old.unlink()
    print(
        f"assistant: {path.name} trained in {time.monotonic() - started:.0f} s "
        f"({time.process_time() - busy:.0f} s of CPU, {path.stat().st_size // 1024} kB)"
    )


def _train(path: Path) -> None:
    import quiet

    quiet.hush()
    import augment
    from components import embedding
    from rasa.model_training import train

    embedding.open_shelf(VECTORS, SHELF)
    _pack_quickly()

    with tempfile.TemporaryDirectory() as folder:
        noise = Path(folder) / "noise.yml"
        noise.write_text(augment.document(augment.noisy(augment.read(HERE / "data" / "nlu"))), encoding="utf-8")
        result = train(
            domain=str(HERE / "domain.yml"),
            config=str(HERE / "config.yml"),
            training_files=[str(HERE / "data"), str(noise)],
            output=folder,
            fixed_model_name="model",
            force_training=True,
        )
        if result.code or not result.model:
            raise SystemExit("assistant: training failed")
        embedding.close_shelf(SHELF)
        MODELS.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        shutil.copyfile(result.model, part)
        part.replace(path)  # a half-written model never carries the name of a whole one


def _pack_quickly() -> None:
    """Rasa packs its model at the slowest level of gzip: a third of a training's time, for a tenth of its size."""
    import functools
    import tarfile

    tarfile.TarFile.gzopen = classmethod(functools.partial(tarfile.TarFile.gzopen.__func__, compresslevel=1))  # type: ignore


def keep_vectors() -> None:
    """`python -m train --keep-vectors`: this will store the vectors of the utterances in the project."""
    import augment
    from components import embedding

    folder = HERE / "data" / "nlu"
    said = [text for _, _, text in augment.read(folder)]
    said += [text for _, _, text in augment.noisy(augment.read(folder))]
    embedding.open_shelf(VECTORS, SHELF)
    embedding.keep(VECTORS, said)
    print(f"assistant: {len(set(said))} utterances in {VECTORS.name} ({VECTORS.stat().st_size // 1024} kB)")


if __name__ == "__main__":
    os.chdir(HERE)
    sys.path.insert(0, str(HERE))
    keep_vectors() if "--keep-vectors" in sys.argv else main()
