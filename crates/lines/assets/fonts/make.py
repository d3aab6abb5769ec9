"""Writes the digits, letters and signs of addresses of Debian's fonts as small fonts of their own, and FONTS.md beside them.

    apt-get download PACKAGE…; for d in *.deb; do dpkg -x $d debs; done
    python make.py debs

Made with Python 3.11, fontTools 4.68.0 and the packages of Debian 12 (bookworm).

The fonts bear new names: some of their licences reserve the old ones for the unchanged fonts.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

OFL = "SIL Open Font License 1.1 (OFL.txt)"
APACHE = "Apache License 2.0 (LICENSE-APACHE in the repository's root)"
VERA = "Bitstream Vera's (VERA.txt)"
OCR = "free to use, copy and change (OCR.txt)"

# What addresses and cards are written with; a font has what the font that it is made from has of it.
LETTERS = (
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.,-/:&()#+'äöüÄÖÜßéèçñ"
)

# part: (file below usr/share/fonts, package, licence)
FONTS = {
    "training": [
        ("truetype/dejavu/DejaVuSansMono.ttf", "fonts-dejavu-core", VERA),
        ("truetype/dejavu/DejaVuSerif.ttf", "fonts-dejavu-core", VERA),
        ("truetype/roboto/unhinted/RobotoTTF/Roboto-Regular.ttf", "fonts-roboto-unhinted", APACHE),
        ("truetype/roboto/unhinted/RobotoTTF/Roboto-Bold.ttf", "fonts-roboto-unhinted", APACHE),
        ("opentype/roboto/slab/RobotoSlab-Regular.otf", "fonts-roboto-slab", APACHE),
        ("truetype/open-sans/OpenSans-Regular.ttf", "fonts-open-sans", APACHE),
        ("truetype/open-sans/OpenSans-Bold.ttf", "fonts-open-sans", APACHE),
        ("truetype/inconsolata/Inconsolata.otf", "fonts-inconsolata", OFL),
        ("truetype/ocr-a/OCRA.ttf", "fonts-ocr-a", OCR),
        ("truetype/crosextra/Caladea-Regular.ttf", "fonts-crosextra-caladea", APACHE),
        ("opentype/courier-prime/Courier Prime.otf", "fonts-courier-prime", OFL),
        ("truetype/anonymous-pro/Anonymous Pro.ttf", "fonts-anonymous-pro", OFL),
        ("opentype/cabin/Cabin-Regular.otf", "fonts-cabin", OFL),
        ("opentype/dosis/Dosis-Medium.otf", "fonts-dosis", OFL),
        ("truetype/jetbrains-mono/JetBrainsMono-Medium.ttf", "fonts-jetbrains-mono", APACHE),
        ("truetype/quicksand/Quicksand-Medium.ttf", "fonts-quicksand", OFL),
        ("opentype/league-mono/LeagueMono-Regular.otf", "fonts-league-mono", OFL),
        ("opentype/league-mono/LeagueMono-WideBold.otf", "fonts-league-mono", OFL),
        ("truetype/karla/Karla-Medium.otf", "fonts-karla", OFL),
        ("truetype/gentium-basic/GenBasR.ttf", "fonts-sil-gentium-basic", OFL),
    ],
    "training-hand": [
        ("opentype/bwht/BecauseWeBuild-Regular.otf", "fonts-bwht", OFL),
        ("opentype/bwht/BecauseWeConnect-Regular.otf", "fonts-bwht", OFL),
        ("opentype/bwht/BecauseWeCreate-Regular.otf", "fonts-bwht", OFL),
        ("opentype/comic-neue/ComicNeue-Regular.otf", "fonts-comic-neue", OFL),
        ("opentype/dancingscript/DancingScript-Regular.otf", "fonts-dancingscript", OFL),
        ("truetype/ecolier-court/Ecolier-court.ttf", "fonts-ecolier-court", OFL),
    ],
    "tuning-hand": [
        ("truetype/humor-sans/Humor-Sans.ttf", "fonts-humor-sans", OFL),
        ("truetype/kristi/Kristi.ttf", "fonts-kristi", OFL),
    ],
    "test-hand": [
        ("truetype/fifthhorseman/dkg.ttf", "fonts-dkg-handwriting", OFL),
        ("truetype/breip/Breip.ttf", "fonts-breip", OFL),
    ],
    "tuning": [
        ("truetype/noto/NotoMono-Regular.ttf", "fonts-noto-mono", OFL),
        ("opentype/cantarell/Cantarell-Regular.otf", "fonts-cantarell", OFL),
        ("truetype/play/Play-Regular.ttf", "fonts-play", APACHE),
    ],
    "test": [
        ("opentype/ocr-b/OCRB.otf", "fonts-ocr-b", OCR),
        ("truetype/croscore/Arimo-Regular.ttf", "fonts-croscore", OFL),
        ("truetype/croscore/Cousine-Regular.ttf", "fonts-croscore", OFL),
        ("truetype/lato/Lato-Regular.ttf", "fonts-lato", OFL),
        ("truetype/lato/Lato-Bold.ttf", "fonts-lato", OFL),
        ("truetype/firacode/FiraCode-Regular.ttf", "fonts-firacode", OFL),
        ("opentype/b612/B612Mono-Regular.otf", "fonts-b612", OFL),
    ],
}


def subset_of(source, name, out):
    options = subset.Options(
        hinting=False, layout_features=[], notdef_outline=False, name_IDs=[0, 1, 2, 4, 6],
        desubroutinize=True, drop_tables=["GSUB", "GPOS", "GDEF", "kern", "DSIG", "FFTM", "PfEd", "TeX ", "Silf", "Sill", "Glat", "Gloc", "Feat",
                     "feat", "morx", "cvt ", "fpgm", "prep", "gasp", "hdmx", "VDMX", "LTSH", "EBDT", "EBLC", "EBSC"],
    )
    font = TTFont(source, recalcTimestamp=False)
    notice = (font["name"].getDebugName(0) or "").strip()
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=LETTERS)
    subsetter.subset(font)
    for record in list(font["name"].names):
        if record.nameID in (1, 4, 6):
            text = name.replace(" ", "") if record.nameID == 6 else name
            font["name"].setName(
                text, record.nameID, record.platformID, record.platEncID, record.langID
            )
    if "CFF " in font:
        cff = font["CFF "].cff
        cff.fontNames = [name.replace(" ", "")]
        for key in ("FullName", "FamilyName"):
            if hasattr(cff.topDictIndex[0], key):
                setattr(cff.topDictIndex[0], key, name)
    font.save(out)
    return " ".join(notice.split())


def main():
    fonts = Path(sys.argv[1]) / "usr/share/fonts"
    here = Path(__file__).parent
    lines = [
        "# Fonts",
        "",
        "Digits, letters and signs of fonts from Debian 12, cut out by `make.py` and renamed. `training` fonts are",
        "for training, `tuning` fonts for tuning, `test` fonts for testing alone; those named `hand` imitate",
        "handwriting and are for letters beside handwritten digits.",
        "",
        "| file | from | Debian package | licence | notice in the font |",
        "| --- | --- | --- | --- | --- |",
    ]
    for part, list_of in FONTS.items():
        for number, (path, package, licence) in enumerate(list_of):
            file = f"{part}-{number:02}{Path(path).suffix}"
            notice = subset_of(fonts / path, f"Taper Digits {part} {number:02}", here / file)
            notice = notice.replace("|", "\\|")
            lines.append(f"| `{file}` | {Path(path).stem} | {package} | {licence} | {notice} |")
    (here / "FONTS.md").write_text("\n".join(lines) + "\n")


main()
