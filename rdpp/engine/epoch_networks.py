"""Networks of earlier epochs, kept until the choice between them is made."""

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

import safetensors.torch

from rdpp.models import Network


class EpochNetworks:
    """A folder that lives as long as the `with` block, with one file an epoch."""

    def __enter__(self) -> "EpochNetworks":
        self._scratch = tempfile.TemporaryDirectory(prefix="rdpp-epochs-")
        self.epochs: list[int] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scratch.cleanup()

    def keep(self, epoch: int, network: Network, *, alone: bool) -> None:
        """Keep this epoch's network. With `alone`, drop the networks of earlier epochs."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        safetensors.torch.save_file(tensors, self._path(epoch))
        if alone:
            for other in self.epochs:
                self._path(other).unlink()
            self.epochs.clear()
        self.epochs.append(epoch)

    def restore(self, epoch: int, network: Network) -> None:
        """Put a kept epoch's tensors back into the network."""
        network.load_state_dict(safetensors.torch.load_file(self._path(epoch)))

    def save(self, folder: Path) -> None:
        """Put the files into a folder, which is made. They are never written again, so they are linked, not copied.
        With `evaluation.audit` there is one for each evaluated epoch."""
        shutil.copytree(self._scratch.name, folder, copy_function=_link)

    def load(self, folder: Path) -> None:
        """Take the files that `save` wrote; a folder without any may be missing."""
        folder.mkdir(exist_ok=True)
        shutil.copytree(folder, self._scratch.name, dirs_exist_ok=True, copy_function=_link)
        self.epochs = sorted(int(path.stem) for path in folder.iterdir())

    def _path(self, epoch: int) -> Path:
        return Path(self._scratch.name) / f"{epoch}.safetensors"


def _link(source: str, target: str) -> None:
    """A second name for a file; a copy where the folders lie on two file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
