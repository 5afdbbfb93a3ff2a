"""Training of the layered U-Net: model stacking, strategic cropping, a joint phase (paper, sections 3.1 and 3.2)."""
