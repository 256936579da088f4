"""All faults, and which of them come in pairs."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults import around, privacy, resend, stops, storage
from tests.faults.fault import Fault, Pair

SINGLE: Sequence[Fault] = (
    Fault(),
    around.DaemonKilled(),
    around.DaemonStopped(),
    around.DaemonFrozen(),
    around.BrokerKilled(),
    around.BrokerRestarted(),
    around.BrokerForgets(),
    resend.StoreWiped(),
    around.BrokerFrozen(),
    around.cut(),
    around.Network("black hole", around.held),
    around.Network("slow", around.slow, long_s=15.0),
    around.Network("cut within a packet, again and again", around.cutting),
    around.AnswersLost(),
    storage.DiskFull(),
    storage.DiskReadOnly(),
    storage.DiskSlow(),
    around.ClockStepped(),
    storage.ClockLeapsOverOldDays(),
    storage.OutboxDamaged("truncated", storage.truncate),
    storage.OutboxDamaged("overwritten", storage.overwrite),
    storage.OutboxDamaged("a file removed", storage.remove),
    storage.FilesRemoved(),
    storage.BackupRestored(),
    storage.CardCloned(),
    storage.SecondDaemon(),
    storage.RecordTorn(),
    storage.RecordOfNonsense(),
    storage.PowerCut(),
    around.CameraGone(),
    around.CameraSilent(),
    privacy.SwitchedWhileEventsWait(),
    privacy.SwitchedByCommand(),
    stops.LogNotRead(),
    stops.DiskSlow(),
    stops.OutboxLocked(),
    stops.acknowledges_nothing(),
    stops.drips(),
    stops.BrokerHostile(),
    stops.BrokerRefuses5(),
)

PAIRS: Sequence[Fault] = (
    Pair(around.BrokerKilled(), around.DaemonKilled()),
    Pair(around.BrokerKilled(), around.DaemonStopped()),
    Pair(around.BrokerForgets(), storage.OutboxDamaged("truncated", storage.truncate)),
    Pair(around.BrokerKilled(), storage.OutboxDamaged("overwritten", storage.overwrite)),
    Pair(around.cut(), storage.OutboxDamaged("a file removed", storage.remove)),
    Pair(around.BrokerFrozen(), storage.RecordTorn()),
    Pair(storage.DiskFull(), around.DaemonStopped()),
    Pair(storage.DiskFull(), around.DaemonKilled()),
    Pair(around.BrokerRestarted(), storage.DiskFull()),
    Pair(around.BrokerKilled(), storage.PowerCut()),
    Pair(around.cut(), storage.CardCloned()),
    Pair(around.Network("slow", around.slow, long_s=15.0), storage.DiskReadOnly(may_lose=True)),
    Pair(storage.DiskFull(), storage.PowerCut()),
    Pair(around.cut(), around.ClockStepped()),
    Pair(around.Network("slow", around.slow, long_s=15.0), around.DaemonKilled()),
    Pair(around.CameraGone(), around.DaemonStopped()),
)
