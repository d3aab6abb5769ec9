#!/usr/bin/env python3
"""Make parquet/: small tables of images in the ways that data sets on the Hub are written.

    pip install pyarrow pillow numpy
    python parquet.py

Row r is a 4x3 grey PNG whose pixels are (40 r + place), of class r % 3; 7 rows.
"""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROWS = 7
NAMES = ["ant", "bee", "cat"]


def png(row):
    pixels = (40 * row + np.arange(12)).astype(np.uint8).reshape(3, 4)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png", optimize=True)
    return out.getvalue()


def images(rows):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([{"bytes": png(r), "path": None} for r in rows], kind)


def table(image, label, names=None, columns=("image", "label")):
    t = pa.table(dict(zip(columns, [image, label])))
    if names:
        kinds = [{"_type": "Image"}, {"names": names, "_type": "ClassLabel"}]
        feature = dict(sorted(zip(columns, kinds), key=lambda column: column[0], reverse=True))
        about = json.dumps({"info": {"features": feature}})
        t = t.replace_schema_metadata({"huggingface": about})
    return t


def main():
    folder = Path(__file__).with_suffix("")
    folder.mkdir(exist_ok=True)
    rows = range(ROWS)
    labels = pa.array([r % 3 for r in rows], pa.int64())
    # As `datasets` writes it: a structure, Snappy, dictionaries, the names in the metadata.
    pq.write_table(table(images(rows), labels, NAMES), folder / "hub.parquet", row_group_size=4)
    # Version 2 pages, gzip, plain values, a label of 32 bits, bytes without structure.
    plain = pa.array([png(r) for r in rows], pa.binary())
    pq.write_table(
        table(plain, labels.cast(pa.int32())),
        folder / "pages2.parquet",
        compression="gzip",
        use_dictionary=False,
        data_page_version="2.0",
    )
    # Names as labels, no compression.
    words = pa.array([NAMES[r % 3] for r in rows])
    pq.write_table(table(plain, words), folder / "words.parquet", compression="none")
    # A missing label, and what is not read.
    missing = pa.array([None if r == 2 else r % 3 for r in rows], pa.int64())
    pq.write_table(table(plain, missing), folder / "missing.parquet")
    pq.write_table(table(plain, labels), folder / "zstd.parquet", compression="zstd")
    pq.write_table(pa.table({"x": labels}), folder / "other.parquet")
    # Columns of other names, which their types tell; and without types.
    other = ("photo", "kind")
    pq.write_table(table(images(rows), labels, NAMES, other), folder / "typed.parquet")
    pq.write_table(table(images(rows), labels, None, other), folder / "untyped.parquet")
    # Paths and ids in place of images; one path many times; what is not UTF-8.
    paths = pa.array([f"images/{r}.png" for r in rows])
    pq.write_table(table(paths, words, columns=("path", "label")), folder / "paths.parquet")
    pq.write_table(table(pa.array(rows), words, columns=("id", "label")), folder / "ids.parquet")
    many = [pa.array([value] * 20000) for value in ("a/folder/with/a/long/name/0.png", "ant")]
    pq.write_table(table(*many, columns=("path", "label")), folder / "many.parquet")
    latin = pa.array([b"caf\xe8", b"caf\xe9"] + [b"ant"] * (ROWS - 2))
    pq.write_table(table(plain, latin), folder / "latin_labels.parquet")
    latin = latin.cast(pa.string(), safe=False)
    pq.write_table(table(latin, words, columns=("path", "label")), folder / "latin_paths.parquet")
    (folder / "versions.json").write_text(json.dumps({"pyarrow": pa.__version__}) + "\n")
    for path in sorted(folder.iterdir()):
        print(path.name, path.stat().st_size, "bytes")


main()
