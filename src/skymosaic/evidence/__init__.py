"""What exposures and mosaics say of the sky methods, and the advice: arrays and numbers."""
