"""How strong the synthetic defects are: the one table to turn when the task is too easy or too hard.

Each is a range from which every image draws its own value, evenly. The unit is the defect's own: a share of
full contrast for colour changes, of the image's side for lengths, of the whole effect for the rest. Natural
variation to compare with: illumination differs by 6 % across an image, threads and chips by 5-7 %, sensor
noise is 1 %.
"""

Range = tuple[float, float]

STRENGTHS: dict[str, dict[str, Range]] = {
    "weave": {
        "hole": (0.7, 1.0),  # darkening; plain to see
        "stain": (0.25, 0.6),  # tint; the weakest are hard
        "missing_thread": (0.12, 0.45),  # length of the stretch without one thread
        "skipped_crossings": (0.04, 0.08),  # radius of the patch where the warp stays above
        "pulled_thread": (0.5, 1.3),  # displacement, in threads
    },
    "speckle": {
        "crack": (0.2, 0.55),  # darkening of a hairline
        "foreign_chip": (0.5, 1.0),  # how far its colour is from the palette
        "bare_patch": (0.14, 0.22),  # radius of the patch without chips
        "stain": (0.2, 0.55),  # darkening of a blotch
        "haze": (0.7, 1.0),  # loss of contrast where the polish is missing
    },
    "bolt": {
        "missing_tooth": (0.6, 1.0),  # how much of one tooth is gone
        "scratch": (0.12, 0.4),  # brightness of a line
        "rust": (0.18, 0.4),  # tint of a blotch
        "dent": (0.3, 0.6),  # shading of a dimple
        "missing_mark": (0.5, 1.0),  # how far one of the three grade marks is worn off
    },
}
