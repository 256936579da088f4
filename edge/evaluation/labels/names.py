"""The names that people give to the three statuses, and what else a label may be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from edge.errors import UsageError

STATUSES = ("with_mask", "without_mask", "mask_weared_incorrect")
UNSURE = "unsure"
"""The label of a face whose mask cannot be judged: a detector should find it, a classifier is neither taught nor judged
by it."""
NO_FACE = "no_face"
"""Instead of a label: what is labelled is not a face. A class folder of this name shows no people."""

_SPELLINGS = {
    "with_mask": "with_mask with_a_mask mask masks masked mask_on face_mask with_face_mask face_with_mask mask_face "
    "masked_face wear_mask wears_mask wearing_mask wearing_a_mask mask_worn worn_mask correct correct_mask "
    "mask_correct correctly_masked masked_correctly correctly_worn worn_correctly correctly_worn_mask "
    "mask_worn_correctly mask_weared_correct proper_mask properly_worn mask_worn_properly",
    "without_mask": "without_mask without_a_mask without no_mask no_masks non_mask not_mask not_masked unmasked "
    "mask_less mask_off no_face_mask without_face_mask face_no_mask face_without_mask unmasked_face bare_face "
    "not_wearing_mask not_wearing_a_mask no_mask_worn",
    "mask_weared_incorrect": "mask_weared_incorrect weared_incorrect incorrect incorrect_mask mask_incorrect "
    "incorrectly incorrectly_masked masked_incorrectly incorrectly_worn worn_incorrectly worn_incorrect "
    "incorrectly_worn_mask mask_worn_incorrectly mask_worn_incorrect incorrectly_wearing_mask "
    "wearing_mask_incorrectly incorrect_wear wrong wrong_mask mask_wrong wrongly_worn worn_wrong worn_wrongly "
    "mask_worn_wrong improper improper_mask improperly_worn improperly_worn_mask mask_worn_improperly bad_mask",
    UNSURE: "unsure face faces human_face",
    NO_FACE: "no_face",
}


def _compact(name: str) -> str:
    """Without case, spaces and punctuation: `No Mask` and `no-mask` are the same name."""
    return re.sub(r"[\W_]+", "", name).casefold()


_MEANINGS = {_compact(spelling): meaning for meaning, text in _SPELLINGS.items() for spelling in text.split()}


class LabelNames:
    """Turns the labels of a set into those that models know, and counts the names that were taken for another one."""

    def __init__(self, known: Sequence[str] = STATUSES, mapping: Mapping[str, str] | None = None) -> None:
        """`known` are a classifier's labels; `mapping` is what the user says of other names. Raises UsageError where
        it maps to a label that does not exist."""
        self._own = {_MEANINGS.get(_compact(label), label): label for label in known}
        self._known = {*STATUSES, *known, UNSURE, NO_FACE}
        self._mapping = {_compact(name): label for name, label in (mapping or {}).items()}
        self.taken: Counter[tuple[str, str]] = Counter()
        for name, label in (mapping or {}).items():
            if label not in self._known:
                raise UsageError(f"--map {name}={label}: the labels are {', '.join([*self._own.values()])}, "
                                 f"{UNSURE} (a face of unknown status) and {NO_FACE}")  # fmt: skip

    def meaning(self, name: str) -> str | None:
        """The label that a name means, UNSURE or NO_FACE; None if that is not certain."""
        mapped = self._mapping.get(_compact(name))
        if mapped is not None:
            return mapped
        if name in self._known:
            return name
        meaning = _MEANINGS.get(_compact(name))
        return self._own.get(meaning, meaning) if meaning is not None else None

    def folder_meaning(self, name: str) -> str | None:
        """The label that a class folder of this name means. Folders called `faces` hold all kinds of them, so UNSURE
        takes the user's word."""
        meaning = self.meaning(name)
        return None if meaning == UNSURE and _compact(name) not in self._mapping else meaning

    def take(self, name: str) -> str | None:
        """The meaning of a name that a face or a photo has, counted where it is another word."""
        meaning = self.meaning(name)
        if meaning is not None and meaning != name:
            self.taken[name, meaning] += 1
        return meaning

    def taken_text(self) -> str:
        """One line that says which names were taken for which labels; empty where none was."""
        return ", ".join(f"{name} as {label} ({count})" for (name, label), count in sorted(self.taken.items()))

    def choices(self) -> str:
        """What a label may be, for messages."""
        return ", ".join(self._own.values())
