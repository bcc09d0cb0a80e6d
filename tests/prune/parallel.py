"""What each of two processes runs in test_pruner.py: a small net trained and pruned together.

python -m torch.distributed.run --nproc-per-node 2 tests/prune/parallel.py FOLDER
"""

import sys
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sparsetvm.prune import Pruner
from sparsetvm.sparsity import Plan

PLAN = Plan.uniform("pattern+connectivity", connectivity=2.0, group=2)
METHODS = {
    "oneshot": {},
    "gradual": {"steps": 4, "updates": 2},
    "admm": {"steps": 4, "updates": 2},
    "reweighted": {"steps": 4, "rounds": 2},
    "secondorder": {"samples": torch.randn(4, 4, 5, 6, generator=torch.Generator().manual_seed(1))},
}


def main(folder: Path) -> None:
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    for method, options in METHODS.items():
        torch.save(run(method, options, rank), folder / f"{method}.{rank}.pt")
    distributed.destroy_process_group()


def run(method: str, options: dict, rank: int) -> dict:
    torch.manual_seed(0)
    net = DistributedDataParallel(nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(96, 3)))
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    pruner = Pruner(net, PLAN, method, **options)
    pruner.prepare(optimizer)
    torch.manual_seed(rank)  # each process has samples of its own
    for _ in range(6):
        loss = net(torch.randn(4, 4, 5, 6)).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pruner.step()
    masks = {name: mask.clone() for name, mask in pruner.masks.items()}
    return {"masks": masks, "weights": pruner.finalize().state_dict()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
