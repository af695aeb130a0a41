"""Gets the public data sets that the pipelines need, and records in data/prepared/NAME.json what they are read from.

``python stages/data.py``                    fetches what is missing; seconds, or the time of a 213 MB download
``python stages/data.py --forget-stand-ins`` makes the next ``dvc repro`` search again where it had found nothing
"""

from __future__ import annotations

import argparse

from pydantic import TypeAdapter, ValidationError

from learned_symmetry import config
from learned_symmetry.data import sources
from learned_symmetry.errors import UserError, command


def main(scale: str, mirror: str | None) -> None:
    """Ensure each data set marked ``fetch`` in data/sources.yaml, write its manifest, and say what was used."""
    for name in sources.fetched():
        source = sources.ensure(name, scale=scale, mirror=mirror)
        sources.write_manifest(source)
        if source.kind == "stand-in":
            what = sources.registered(name)["stand_in"]
            print(
                f"{name}: STAND-IN ({what}), because {source.reason}: nothing computed from it can be compared "
                "with a paper. "
                f"For the real data, {sources.how_to_supply(name)}, and run `make reproduce`.",
                flush=True,
            )
        else:
            print(f"{name}: {source.kind}, in {source.folder}", flush=True)


def settings() -> tuple[str, str | None]:
    """The scale and data.mirror of params.yaml. Raises `UserError` naming the one that is wrong."""
    raw = config.read()
    try:
        scale = TypeAdapter(config.Scale).validate_python(raw.get("scale"))
    except ValidationError:
        wanted = ", ".join(config.SCALES)
        raise UserError(f"{config.PARAMS}: scale: {raw.get('scale')!r} is none of {wanted}; mend it there") from None
    try:
        return scale, config.Data.model_validate(raw.get("data")).mirror
    except ValidationError:
        raise UserError(
            f"{config.PARAMS}: data: {raw.get('data')!r} must have the keys mirror and imagenet, each a folder or "
            "null; mend it there"
        ) from None


@command("stages/data.py")
def cli() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forget-stand-ins", action="store_true", help="remove the manifests that say stand-in")
    if parser.parse_args().forget_stand_ins:
        for name in sources.forget_stand_ins():
            print(f"{name}: was a stand-in; the next `dvc repro` searches for the real data again")
    else:
        main(*settings())


if __name__ == "__main__":
    cli()
