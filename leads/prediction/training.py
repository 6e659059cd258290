"""Learning from the leads that have ended. It loads much (scikit-learn): only the command that trains imports it."""

from typing import Any
from uuid import UUID

from django.db import transaction

from crm.exceptions import IllegalMove
from crm.models import User
from crm.records.activity import Actor, record
from leads.models import PredictionModel, Rung
from leads.prediction.evaluation import evaluated
from leads.prediction.fitting import DATED, fit
from leads.prediction.scorecard import probability
from leads.prediction.snapshots import closed
from leads.prediction.stage_win_rates import rates
from leads.prediction.transitions import MAY, put_in_use, taken

# Below the first nothing is told; from the second and third on a scorecard is.
FEWEST_ENDED, FEWEST_FOR_CARD, FEWEST_WON = 100, 1_000, 120
MOST_LEARNT = 50_000


def train(*, by: Actor | User) -> PredictionModel:
    """Learn from the leads that have ended; the result is put in use if it does better than what is.

    Raises:
        NotAllowed: `by` may not train.
        IllegalMove: too few leads have ended.
    """
    Actor.of(by).require(MAY, "train a prediction")
    ended = list(closed().order_by("-closed_at", "-id").values_list("id", "status__category")[:MOST_LEARNT])[::-1]
    leads, won = [key for key, _ in ended], [category == "won" for _, category in ended]
    if len(leads) < FEWEST_ENDED:
        raise IllegalMove(f"Not enough data: {len(leads)} leads have ended, and {FEWEST_ENDED} are needed.")
    return kept(*learnt_from(leads, won), leads, won, by=by)


def learnt_from(leads: list[UUID], won: list[bool]) -> tuple[dict[str, Any], str]:
    """What is learnt from ended leads: a scorecard if they are enough and it is better than the average of all.

    The sentence, if any, says why it is none.
    """
    known, why = {"rung": Rung.STAGES, "card": rates(leads, sum(won)), "evaluation": {}, "refused": {}}, ""
    if len(leads) >= FEWEST_FOR_CARD and FEWEST_WON <= sum(won) <= len(won) - FEWEST_WON:
        found = fit(taken(leads), won)
        average, scorecard = plain_brier(won), found.evaluation["brier"]
        if scorecard < average:
            evaluation, refused = found.evaluation, found.refused
            return {"rung": Rung.SCORECARD, "card": found.card, "evaluation": evaluation, "refused": refused}, ""
        why = f"A scorecard (mean square error {scorecard:.4f}) did no better than the average ({average:.4f}). "
    return known, why


def plain_brier(won: list[bool]) -> float:
    """The mean square error, on the newest, of saying of each what was won on average before."""
    dated = int(len(won) * DATED)
    share = sum(won[:dated]) / dated
    return evaluated([share] * (len(won) - dated), won[dated:])["brier"]


@transaction.atomic
def kept(learnt: dict[str, Any], why: str, leads: list[UUID], won: list[bool], *, by: Actor | User) -> PredictionModel:
    """The next version, put in use if it is the better one; `why` is told first."""
    versions = list(PredictionModel.objects.select_for_update().order_by("-version"))
    champion = next((one for one in versions if one.is_active), None)
    better, verdict = judged(learnt, champion, leads, won)
    verdict = why + verdict
    version = versions[0].version + 1 if versions else 1
    made = PredictionModel(version=version, leads=len(leads), won=sum(won), verdict=verdict, **learnt)
    made.save(force_insert=True)
    record(made, "trained", by=by, summary=f"{made} was trained on {len(leads):,} leads. {verdict}")
    if better:
        put_in_use(made, by=by)
    return made


def judged(
    learnt: dict[str, Any], champion: PredictionModel | None, leads: list[UUID], won: list[bool]
) -> tuple[bool, str]:
    """Whether what was `learnt` does better than what is in use, on the newest leads; and the sentence that says so."""
    if champion is None:
        return True, "It is the first."
    if learnt["rung"] != champion.rung:
        higher = learnt["rung"] == Rung.SCORECARD
        return higher, "There are enough leads for a scorecard now." if higher else "A scorecard is in use already."
    if learnt["rung"] == Rung.STAGES:
        return True, "The win rates are those of today."
    newest = slice(int(len(leads) * DATED), None)
    known = [probability(champion.card, row) for row in taken(leads[newest])]
    old, new = evaluated(known, won[newest])["brier"], learnt["evaluation"]["brier"]
    compared = (
        f"Mean square error on the newest {len(known):,}: {new:.4f}, that of version {champion.version} {old:.4f}."
    )
    return new < old, compared
