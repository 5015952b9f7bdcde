"""The evaluation as files: `evaluation.json`, pictures, and one page with all of it."""

import base64
import html
import io
import json
from collections.abc import Iterable
from pathlib import Path

from fishrt import __version__
from training.figures.gallery import Picture, draw_gallery
from training.figures.style import DPI
from training.scoring.evaluate import Evaluation
from training.scoring.record import evaluation_record
from training.scoring.table import WordTable, event_table, score_table, threshold_table
from training.scoring.verdict import hardest_missing, verdict

RECORD_FILE = "evaluation.json"
PAGE_FILE = "report.html"

STYLE = """
:root{color-scheme:light}
body{font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:#22303a;
background:#fff;margin:0 auto;padding:1.2em;max-width:68em}
h1{font-size:1.55em;line-height:1.25;margin:.2em 0}h2{font-size:1.2em;margin:2em 0 .4em}
.about{color:#5a6873;margin:0 0 1.2em}
.verdict{background:#eef4fa;border-left:6px solid #1b5e9e;border-radius:4px;padding:.9em 1.2em}
.verdict p{margin:.4em 0}.verdict p:first-child{font-size:1.15em;font-weight:600}
.verdict.open{background:#f4f5f6;border-color:#8a949c}.verdict.open p:first-child{font-weight:400}
.verdict.worse{background:#fdf1ec;border-color:#d2691e}
.note{background:#fff8e6;border-left:6px solid #f5b942;border-radius:4px;
padding:.6em 1.2em;margin:.8em 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.92em;font-variant-numeric:tabular-nums;width:100%}
caption{text-align:left;font-weight:600;padding:.6em 0 .3em}
th,td{padding:.35em .8em;text-align:right;border-bottom:1px solid #e1e5e9;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{border-bottom:2px solid #7d8b99;white-space:normal}
tbody tr:first-child{font-weight:600;background:#f4f8fc}
.gallery{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26em),1fr));
gap:1.6em}
figure{margin:0}figure.wide{grid-column:1/-1}figure img{width:100%;height:auto;display:block}
figure h3{font-size:1.02em;margin:.2em 0}figcaption{color:#45535e;font-size:.9em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25em 1.2em;font-size:.92em}
dt{color:#5a6873}dd{margin:0;overflow-wrap:anywhere}
@media(max-width:36em){body{padding:.8em;font-size:15px}dl{grid-template-columns:1fr}dd{margin-bottom:.5em}}
@media print{.gallery{display:block}figure{break-inside:avoid;margin-bottom:1.5em}}
"""


def write_report(folder: Path, evaluation: Evaluation, history: Path | None = None) -> None:
    """Writes figures, record and page into a folder that is there.

    Args:
        folder: Where to.
        evaluation: What to report.
        history: The run's `history.csv`, if there is one.

    Raises:
        OSError: If something cannot be written.
    """
    record = json.dumps(evaluation_record(evaluation), indent=1, allow_nan=False)
    (folder / RECORD_FILE).write_text(record + "\n", encoding="utf-8")
    pictures = []
    for picture in draw_gallery(evaluation, history):
        data = _png(picture)
        (folder / f"{picture.name}.png").write_bytes(data)
        pictures.append((picture, data))
    (folder / PAGE_FILE).write_text(page(evaluation, pictures), encoding="utf-8")


def _png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    picture.figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def page(evaluation: Evaluation, pictures: Iterable[tuple[Picture, bytes]]) -> str:
    """The page; every word that comes from outside is escaped, and nothing is loaded.

    Args:
        evaluation: What to report.
        pictures: Pictures and their PNG data.
    """
    esc = html.escape
    frames, candidate = evaluation.frames, evaluation.candidate
    title = f"{candidate.name} on {frames.recording.folder.name}"
    sentences = "".join(f"<p>{esc(sentence)}</p>" for sentence in verdict(evaluation))
    notes = "".join(f'<p class="note">{esc(note)}</p>' for note in evaluation.notes)
    about = (
        f"{len(frames.ends)} forecasts in {frames.minutes:.1f} minutes, a burst ahead at "
        f"{frames.labels.mean():.1%} of them; {frames.split.value if frames.split else 'all'}"
        f"{' part' if frames.split else ' of the recording'}."
    )
    kind = "verdict" if evaluation.gain.low > 0 else "verdict worse"
    if evaluation.gain.low > 0 and hardest_missing(evaluation):
        kind = "verdict open"
    tables = [score_table(evaluation), event_table(evaluation), threshold_table(evaluation)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{esc(title)}</title><style>{STYLE}</style></head><body>"
        f'<h1>{esc(title)}</h1><p class="about">{esc(about)}</p>'
        f'<div class="{kind}">{sentences}</div>{notes}'
        f"<h2>Numbers</h2>{''.join(map(_table, tables))}"
        f'<h2>Pictures</h2><div class="gallery">{"".join(_figure(*one) for one in pictures)}</div>'
        f"<h2>How this was made</h2>{_facts(evaluation)}</body></html>\n"
    )


def _table(words: WordTable) -> str:
    esc = html.escape
    head = "".join(f"<th>{esc(column)}</th>" for column in words.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{esc(word)}</td>' for word in row)}</tr>" for row in words.rows
    )
    return (
        f'<div class="scroll"><table><caption>{esc(words.title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _figure(picture: Picture, data: bytes) -> str:
    esc = html.escape
    image = base64.b64encode(data).decode()
    return (
        f"<figure{' class=wide' if picture.wide else ''}><h3>{esc(picture.title)}</h3>"
        f'<img alt="{esc(picture.title)}" src="data:image/png;base64,{image}">'
        f"<figcaption>{esc(picture.caption)}</figcaption></figure>"
    )


def _facts(evaluation: Evaluation) -> str:
    frames, decision = evaluation.frames, evaluation.decision
    asked = decision.false_alarms_asked
    chosen = f"{decision.threshold:.3f}, by {decision.chosen_on}"
    if asked is not None:
        chosen = (
            f"{decision.threshold:.3f}: announces most bursts with no more than {asked:g} false "
            f"alarms a minute on {decision.chosen_on}"
        )
    facts = {
        "Forecasts by": evaluation.candidate.computed_by,
        "Mode": evaluation.candidate.config.train.mode.value,
        "A forecast every": f"{frames.every} frame(s), held until the next",
        "Threshold": chosen,
        "Alarm": f"starts after {decision.debounce} frames in a row at the threshold or above, "
        f"ends below {decision.release:.3f}, not again within {decision.refractory} frames",
        "Intervals": "95 %, moving-block bootstrap of 20 s blocks",
        "Footage": ", ".join(source.name for source in frames.recording.metadata.sources),
        "Software": f"fishrt {__version__}",
    }
    esc = html.escape
    return f"<dl>{''.join(f'<dt>{esc(k)}</dt><dd>{esc(v)}</dd>' for k, v in facts.items())}</dl>"
