"""textgan_lit: adversarial text generation whose numbers can be trusted."""

__version__ = "0.1.0"
__all__ = ["load"]


def __getattr__(name: str):
    # Imported on first use: `python train.py --help` must not wait for torch.
    if name == "load":
        from textgan_lit.inference import load

        return load
    raise AttributeError(f"module 'textgan_lit' has no attribute {name!r}")
