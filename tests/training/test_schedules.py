"""Learning rates as functions of the step."""

import pytest
import torch

from dlkit.training.schedules import build_schedule


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7, 20, 100, 1000])
def test_onecycle_equals_torchs_over_the_whole_run(total: int) -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.05, total_steps=total, cycle_momentum=False
    )
    ours = build_schedule("onecycle", 0.05, total_steps=total, steps_per_epoch=1)

    for step in range(total):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-15)
        optimizer.step()
        if step + 1 < total:
            reference.step()


def test_onecycle_stays_at_its_end_past_the_last_step() -> None:
    schedule = build_schedule("onecycle", 0.05, total_steps=100, steps_per_epoch=10)

    assert schedule(150) == schedule(99) == pytest.approx(0.05 / 25 / 1e4)


def test_no_schedule_is_the_rate_itself() -> None:
    schedule = build_schedule("none", 0.03, total_steps=10, steps_per_epoch=1)

    assert {schedule(step) for step in (0, 5, 10**9)} == {0.03}
