"""What a model leaves unread of a request, said in the answer."""

from collections.abc import Sequence

from service.schemas import SeriesInput
from tcn.series.source import listed

KINDS = ("past", "static")  # those known ahead act in any model, by regression


def warnings_of(model: str, predictor: object, series: Sequence[SeriesInput]) -> dict[str, object]:
    """Return the member `warnings` of an answer where covariates are not read, or nothing."""
    given = {
        (kind, name)
        for kind in KINDS
        for item in series
        for name in getattr(item, f"{kind}_covariates")
    }
    if not given:
        return {}
    conditions = getattr(predictor, "conditions", None)
    read = {(kind, column.name) for kind in KINDS for column in getattr(conditions, kind, ())}
    unread = tuple(sorted({name for _, name in given - read}))
    if not unread:
        return {}
    sentence = (
        f"The model {model!r} was trained without {listed(unread)} and does not read"
        f" {'it' if len(unread) == 1 else 'them'}. One that is trained on such series does."
    )
    return {"warnings": [sentence]}
