"""Networks that satisfy `tabdiff.diffusion.mixed.Denoiser`."""
