"""An imitation of CelebA's files: small images of noise whose brightness says the attribute."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ATTRIBUTES = ("Attractive", "Blond_Hair", "Male", "Smiling", "Wavy_Hair", "Young")


def write_celeba(folder: Path, num_rows: int = 160, size: int = 16) -> None:
    """Write images, attributes and partition as Kaggle's archive has them; half of the rows are for training."""
    rng = np.random.default_rng(0)
    values = rng.choice([-1, 1], (num_rows, len(ATTRIBUTES)))
    names = [f"{k + 1:06}.jpg" for k in range(num_rows)]
    (folder / "img_align_celeba").mkdir(parents=True)
    for name, blond in zip(names, values[:, 1], strict=True):
        pixels = rng.integers(0, 128, (size, size, 3)) + (blond > 0) * 100
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "img_align_celeba" / name)
    frame = pd.DataFrame(values, columns=list(ATTRIBUTES))
    frame.insert(0, "image_id", names)
    frame.to_csv(folder / "list_attr_celeba.csv", index=False)
    partition = np.repeat([0, 1, 2], [num_rows // 2, num_rows // 4, num_rows - num_rows // 2 - num_rows // 4])
    parts = pd.DataFrame({"image_id": names, "partition": partition})
    parts.to_csv(folder / "list_eval_partition.csv", index=False)
