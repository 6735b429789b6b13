"""Who kept to a limit of motion in every session of a contrast."""

import numpy as np
import pandas as pd

from crossfc.quality.stillness import still_people


def test_every_session_counts_and_unknown_motion_is_none():
    people = pd.DataFrame({"participant_id": ["a", "b", "c", "d"]})
    sessions = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("c", "1"), ("c", "2"), ("d", "1")]
    weights = pd.DataFrame(sessions, columns=["participant_id", "session_id"]).assign(weight=1)
    motion = weights.drop(columns="weight").assign(mean_fd=[0.1, 0.2, 0.1, 0.3, 0.1, np.nan, 0.2])
    # A session that is of no contrast does not count.
    motion.loc[len(motion)] = ["a", "3", 0.9]
    assert still_people(people, weights, motion, 0.2).tolist() == [True, False, False, True]
