"""Limits beyond which a registration is said to fit poorly.

Preprocessing warns at them and the page sorts by them; the page is made where ANTs need not be.
"""

# Cost of the white matter boundary (Greve and Fischl 2009, NeuroImage 48:63). Above it the boundary
# in the functional scan is not where the T1w has it: the person's own T1w gives 0.43 to 0.48,
# another person's 0.8 and more.
BOUNDARY_COST = 0.7
# Overlap (Dice) below which the brain in the functional scan is not where the T1w has it.
BRAIN_DICE = 0.85
# Overlap (Dice) and correlation below which the T1w is not where the template has it.
TEMPLATE_DICE = 0.93
TEMPLATE_CORRELATION = 0.6
