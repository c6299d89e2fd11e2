"""What is said where a batch system takes a run back into its queue, or does not."""

import pytest

from textgan_lit.callbacks.interruption import requeue


@pytest.fixture
def bin(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    return tmp_path


def scontrol(bin, code):
    (bin / "scontrol").write_text(f"#!/bin/sh\necho $@ > {bin}/asked\nexit {code}\n")
    (bin / "scontrol").chmod(0o755)


def test_a_job_is_put_back_and_told_if_it_would_start_anew(bin):
    scontrol(bin, 0)
    assert requeue(["train.py", "resume=true"]) == ["Job 17 is back in the queue."]
    assert (bin / "asked").read_text() == "requeue 17\n"
    assert "no resume=true, so it will start anew" in requeue(["train.py"])[0]


def test_where_that_fails_it_is_said(bin):
    scontrol(bin, 1)
    assert "did not put job 17 back" in requeue([])[0]


def test_where_there_is_no_slurm_it_is_said(bin, monkeypatch):
    monkeypatch.setenv("PATH", str(bin))
    assert "did not put job 17 back" in requeue([])[0]
