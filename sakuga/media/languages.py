"""Which languages of streams a container can say."""

import re

from sakuga.media.containers import Container

UNKNOWN = "und"

_OTHER_CODES = """
    sqi-alb hye-arm eus-baq mya-bur zho-chi cze-ces nld-dut fre-fra kat-geo deu-ger ell-gre isl-ice
    mkd-mac msa-may fas-per rum-ron slo-slk bod-tib cym-wel swe-sve fil-tgl
"""
"""The code that MOV has for languages with two (ISO 639-2, bibliographic and terminological), for Swedish,
which the muxer writes in its own way, and for Filipino, QuickTime's Tagalog."""

_MOV_CODES = """
    alb amh ara arm asm aym aze baq bel ben bul bur cat ces chi dan dut dzo eng epo est fin fra geo ger
    gre grn guj heb hin hun ice ind iri ita jav jpn kan kas kaz khm kin kir kor kur lao lat lav lit mac
    mal mar may mlg mlt mol mon nep nor nya ori orm per pol por pus que ron run rus san sin slk slv smi
    snd som spa sve swa tam tat tel tgk tgl tha tib tir tuk tur uig ukr urd uzb vie wel yid
"""
"""Languages that QuickTime has a number for ("QuickTime File Format", language code values)."""

_OTHER_CODE = dict(pair.split("-") for pair in _OTHER_CODES.split())
_MOV = frozenset(_MOV_CODES.split())


def language_tag(language: str | None, container: Container) -> str | None:
    """What a container says for the language of a stream; None where it can say none.

    Matroska holds any text. MP4 holds three letters, MOV a number for each of its languages.
    """
    if not language or language == UNKNOWN:
        return None
    if container == "mkv":
        return language
    code = language.lower()
    if container == "mov":
        code = _OTHER_CODE.get(code, code)
        return code if code in _MOV else None
    return code if re.fullmatch("[a-z]{3}", code) else None
