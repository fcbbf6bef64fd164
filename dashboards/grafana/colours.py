"""The colours of Okabe and Ito's palette for colour-blind readers, and more of Tol's.

Green is good, amber warns, vermilion is bad; the same thing has the same colour on every panel.
"""

GOOD, WARN, BAD, PLAIN = "#009E73", "#E69F00", "#D55E00", "#0072B2"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#999999"
TEAL, OLIVE, SAND = "#44AA99", "#999933", "#DDCC77"
INDIGO, WINE, BROWN, CYAN = "#7B6FD0", "#AA4466", "#A0785A", "#17BECF"
PEACH, STEEL = "#E58E73", "#5F7F9C"
