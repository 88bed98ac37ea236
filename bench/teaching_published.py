"""Published figures of few-shot learning on the same sets, with where each comes from. Knows no run.

A cell that was recalled and not read off its source says so wherever it is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ZHAO = "Zhao et al. 2021, Calibrate Before Use, arXiv 2102.09690"
XU = "Xu et al. 2023, kNN Prompting, the authors' README"
WHAT_IS_COMPARED = (
    "What is compared: many taught examples on a model of 135 million parameters, whose weights stay as they are, against few "
    "shots in the prompt of a model of 2.7 or 175 billion. It says what teaching is worth on a small machine; it does not say that the "
    "small model is the better one. The test items of the papers are others of the same sets."
)
RECALLED = "recalled: to be checked against the paper's Table 1"
READ = "read off the paper's figure"


@dataclass(frozen=True, slots=True)
class Published:
    """Accuracies in percent without and with calibration at 0, 1, 4 and 8 shots, the paper's means; empty where there are none."""

    data_set: str
    model: str
    shots: tuple[tuple[float, float], ...]
    how_known: str

    @property
    def best_calibrated(self) -> float:
        return max(calibrated for _, calibrated in self.shots)


CALIBRATED: Sequence[Published] = (
    Published("trec", "GPT-3 2.7B", ((31.0, 38.8), (24.3, 36.8), (25.8, 38.6), (29.3, 44.3)), RECALLED),
    Published("trec", "GPT-3 175B", ((47.4, 57.4), (57.7, 75.7), (60.2, 69.7), (45.6, 66.9)), RECALLED),
    Published("agnews", "GPT-3 2.7B", ((44.7, 63.2), (33.0, 59.6), (43.3, 71.1), (50.8, 72.7)), RECALLED),
    Published("agnews", "GPT-3 175B", ((43.9, 73.9), (62.1, 77.1), (61.0, 85.9), (79.1, 84.3)), READ),
    Published("sst2", "GPT-3 2.7B", ((57.2, 71.4), (67.3, 73.3), (59.1, 79.9), (54.0, 82.0)), RECALLED),
    Published("sst2", "GPT-3 175B", ((71.6, 75.8), (93.3, 94.7), (93.6, 94.3), (95.6, 95.3)), RECALLED),
    Published("mit_director", "GPT-3 13B", ((36.0, 39.0), (58.0, 73.0), (75.0, 76.0), (78.0, 78.0)), READ),
)
# The authors' own five seeds with GPT-2 XL.
KNN_PROMPTING_SST2 = (85.6, 82.0, 87.5, 89.8, 86.7)


def published_rows() -> list[list[str]]:
    head = ["set", "model", "0 shots", "1", "4", "8", "source", "how it is known"]
    rows = [
        [
            one.data_set,
            one.model,
            *(f"{plain:g} / {calibrated:g}" for plain, calibrated in one.shots),
            ZHAO,
            one.how_known,
        ]
        for one in CALIBRATED
    ]
    mean = sum(KNN_PROMPTING_SST2) / len(KNN_PROMPTING_SST2)
    seeds = f"{len(KNN_PROMPTING_SST2)} seeds, mean {mean:.1f}"
    rows.append(["sst2", "GPT-2 XL, kNN prompting", "", "", "", "", XU, f"read: {seeds}; many examples"])
    return [head, *rows]
