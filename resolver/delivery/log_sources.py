"""Whose output a pipe is: that of a container's main process, or that of a CI job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.delivery import hardening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CI_VARIABLES = frozenset(
    {
        # What several systems set.
        *("CI", "CI_APP_ID", "CI_BUILD_ID", "CI_BUILD_NUMBER", "CI_NAME", "CONTINUOUS_INTEGRATION"),
        *("BUILD_ID", "BUILD_NUMBER", "RUN_ID"),
        # What one system sets.
        *(
            "AC_APPCIRCLE",
            "AGOLA_GIT_REF",
            "ALPIC_HOST",
            "APPCENTER_BUILD_ID",
            "APPVEYOR",
            "BITBUCKET_COMMIT",
        ),
        *("BITRISE_IO", "BUDDY_WORKSPACE_ID", "BUILDER_OUTPUT", "BUILDKITE", "CAPAWESOME_CLOUD"),
        *("CF_BUILD_ID", "CF_PAGES", "CIRCLECI", "CIRRUS_CI", "CI_XCODE_PROJECT", "CM_BUILD_ID"),
        *("CODEBUILD_BUILD_ARN", "DRONE", "DSARI", "EARTHLY_CI", "EAS_BUILD", "GERRIT_PROJECT"),
        *("GITEA_ACTIONS", "GITHUB_ACTIONS", "GITLAB_CI", "GO_PIPELINE_LABEL", "HARNESS_BUILD_ID"),
        *("HUDSON_URL", "JENKINS_URL", "LAYERCI", "MAGNUM", "NETLIFY", "NEVERCODE", "NOW_BUILDER"),
        *("PROW_JOB_ID", "RELEASE_BUILD_ID", "RENDER", "RWX", "SAILCI", "SCREWDRIVER", "SEMAPHORE"),
        *("SHIPPABLE", "STRIDER", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "TASK_ID", "TDDIUM"),
        *("TEAMCITY_VERSION", "TF_BUILD", "TRAVIS", "VELA", "VERCEL", "WORKERS_CI", "XCS", "bamboo_planKey"),
    }
)
"""Variables of CI systems, after the vendors of the npm package `ci-info`, releases 1.0 to 4.5.

One of them is enough here, where `ci-info` wants two for Jenkins and TaskCluster. What a system was set up to
say in `CI` is not asked: all that follows is that the parent's own output is taken for a log.
"""

_STREAMS = (1, 2)
_MAIN = 1
"""Process 1: a container's main process. On a machine it is the init system, which writes to no pipe."""


def is_ci(environ: Mapping[str, str]) -> bool:
    """Whether an environment is that of a CI system."""
    return any(environ.get(name) for name in CI_VARIABLES)


def parent_id() -> int:
    """The process that started this program."""
    return _parent(hardening.stand_in) if hardening.stand_in else os.getppid()


def is_output_of(pid: int, status: os.stat_result) -> bool:
    """Whether a process is known to have a pipe, socket or file as its stdout or stderr.

    One that can't be looked at (of someone else, in another PID namespace, or there is no `/proc`) says
    nothing about the pipe, and to refuse it would break every pipeline on such machines.
    """
    return any(_is(f"/proc/{pid}/fd/{stream}", status) for stream in _STREAMS)


def is_output_of_main_process(status: os.stat_result) -> bool:
    """Whether a pipe, socket or file is stdout or stderr of process 1, or was handed down from there."""
    if _MAIN in (os.getpid(), hardening.stand_in) or is_output_of(_MAIN, status):
        return True
    try:
        os.stat(f"/proc/{_MAIN}/fd/1")  # noqa: PTH116 - as in `_is`
    except PermissionError:
        # It is someone else's, or keeps others out as we do. Then all between it and us have the pipe.
        *between, top = [pid for pid in _ancestors(os.getpid()) if pid != hardening.stand_in] or [0]
        return top == _MAIN and all(is_output_of(pid, status) for pid in between) and not _readers(status)
    except OSError:
        pass
    return False


def is_read_within_job(status: os.stat_result) -> bool:
    """Whether a program of the same session, and not one that started us, reads a pipe.

    In `(cd app; resolve ...) | deploy` the shell between has the pipe to `deploy` as its stdout: no log.
    """
    session = os.getsid(0)
    return any(_session(pid) == session for pid in _readers(status))


def _readers(status: os.stat_result) -> list[int]:
    """The processes that can be seen to read a pipe, without us and those who started us."""
    ours = {os.getpid(), *_ancestors(os.getpid())}
    others = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in others if pid not in ours and _reads(pid, status)]


def _reads(pid: int, status: os.stat_result) -> bool:
    try:
        found = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    # proc(5): the link's mode has what the descriptor was opened for.
    return any(_is(path, status) and path.lstat().st_mode & 0o400 for path in found)


def _is(path: str | Path, status: os.stat_result) -> bool:
    try:
        other = os.stat(path)  # noqa: PTH116 - a path for each of many descriptors
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (other.st_dev, other.st_ino)


def _ancestors(pid: int) -> Iterator[int]:
    """Those who started a process, from its parent on, as far as they can be seen."""
    while (pid := _parent(pid)) > 0:
        yield pid


def _parent(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def _session(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[3]) if fields else 0


def _fields(pid: int) -> list[bytes]:
    """The fields of `/proc/PID/stat` from the third on; the second, a name, may hold anything. Or none."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []
