"""The arguments of the command ``plan-trial``."""

import argparse

CROSSOVER, WILLIAMS_3, WILLIAMS_4, PARALLEL = "crossover", "williams-3", "williams-4", "parallel"
DESIGNS = {
    CROSSOVER: "two treatments in two periods, half of the people in each order",
    WILLIAMS_3: "three treatments in three periods, in the six orders of a Williams design",
    WILLIAMS_4: "four treatments in four periods, in the four orders of a Williams design",
    PARALLEL: "two arms, each scanned or scored before and after, compared in their change",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("--design", required=True, choices=DESIGNS, help="; ".join(
        f"{name}: {words}" for name, words in DESIGNS.items()))  # fmt: skip
    parser.add_argument(
        "--effect", required=True, type=float,
        help="the true difference that is to be found, in units of the outcome (points, Fisher z)",
    )  # fmt: skip
    parser.add_argument(
        "--standardised", action="store_true",
        help="the effect is in standard deviations of a person's change, and needs no others",
    )  # fmt: skip
    how = parser.add_argument_group("how much a person's change varies: one of")
    how.add_argument("--sd-change", type=float, help="its standard deviation")
    how.add_argument(
        "--sd", type=float,
        help="the standard deviation over people in one session, with --correlation",
    )  # fmt: skip
    how.add_argument(
        "--pilot", metavar="FOLDER",
        help="the results of a study, such as results/demo, with --scale or --edge",
    )  # fmt: skip
    how.add_argument(
        "--shipped", metavar="NAME", help="a row of config/variation.tsv, such as MADRS-day2"
    )
    parser.add_argument(
        "--correlation", type=float, help="of the outcome between two sessions of a person"
    )
    parser.add_argument("--scale", help="of the pilot: a scale, such as MADRS")
    parser.add_argument("--edge", help="of the pilot: a seed and a target, such as sgACC-PCC")
    parser.add_argument("--group", help="of the pilot, where it has several")
    parser.add_argument("--contrast", help="of the pilot, where it has several")
    parser.add_argument("--pipeline", help="of the pilot's edge, where it has several")
    parser.add_argument("--power", type=float, default=0.8, help="that is wanted (0.8)")
    parser.add_argument("--alpha", type=float, default=0.05, help="level, two-sided (0.05)")
    parser.add_argument(
        "--dropouts", type=float, default=0.0,
        help="share of people who leave after some of their sessions (0)",
    )  # fmt: skip
    parser.add_argument(
        "--baseline-covariate", action="store_true",
        help="parallel arms: the baseline is a covariate, as with baseline_occasion in the config",
    )  # fmt: skip
    parser.add_argument("--people", help="numbers of people to try, such as 20,24,30")
    parser.add_argument(
        "--simulations", type=int, default=1000, help="trials for each number (1000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (0)")
    parser.add_argument("--output", metavar="FILE", help="write the table to this file (TSV)")
