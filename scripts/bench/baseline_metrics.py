"""The yardstick's metrics: as the released evaluation goes about them, image by image, over lists of pixels; PRO labels
regions threshold by threshold, AUROC is scikit-learn's. Nothing in rdpp uses this file.
"""

import numpy as np
import pandas as pd
from skimage.measure import label, regionprops
from sklearn.metrics import auc, roc_auc_score


def metrics(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """image AUROC, pixel AUROC and the mean over the defective images of PRO, as the released evaluation goes about it.

    Image by image every pixel's score, and every pixel of the mask as a whole number, is put into a Python list;
    scikit-learn makes arrays of the lists again and computes the AUROC. Image labels are the masks' maxima.
    """
    pixel_labels, pixel_scores, image_labels, image_scores, pros = [], [], [], [], []
    for one, mask in zip(maps, masks.astype(int), strict=True):
        if mask.any():
            pros.append(_pro(one, mask))
        pixel_labels.extend(mask.ravel())
        pixel_scores.extend(one.ravel())
        image_labels.append(mask.max())
        image_scores.append(one.max())
    return {
        "image_auroc": float(roc_auc_score(image_labels, image_scores)),
        "pixel_auroc": float(roc_auc_score(pixel_labels, pixel_scores)),
        "pixel_aupro_per_image": float(np.mean(pros)),
    }


def _pro(one: np.ndarray, mask: np.ndarray, steps: int = 200) -> float:
    """Of one image. At each threshold the regions are labelled anew, and a table of points grows by a row."""
    table = pd.DataFrame({"threshold": [], "pro": [], "fpr": []}, dtype=float)
    low, high = one.min(), one.max()
    for threshold in np.arange(low, high, (high - low) / steps):
        found = one > threshold
        overlaps = [found[tuple(region.coords.T)].sum() / region.area for region in regionprops(label(mask))]
        fpr = (found & (mask == 0)).sum() / (mask == 0).sum()
        row = pd.DataFrame({"threshold": [threshold], "pro": [np.mean(overlaps)], "fpr": [fpr]})
        table = pd.concat([table, row], ignore_index=True)
    kept = table[table["fpr"] < 0.3]
    return float(auc(kept["fpr"] / kept["fpr"].max(), kept["pro"]))
