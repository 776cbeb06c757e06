"""The quarantine, its notices and its way out, as the settings say."""

from __future__ import annotations

from ..config import Config
from ..errors import SettingError
from .delivery import SmtpDelivery
from .keys import Keyring
from .notices import Notices
from .store import DAY, Quarantine


def quarantine(config: Config) -> Quarantine:
    """The quarantine.  Raises `SettingError` where there is none, `StoreError` where it cannot be opened."""
    section = config.quarantine
    if not section.path:
        raise SettingError(config.source, ("quarantine.path: no quarantine is configured",))
    return Quarantine(
        section.path,
        blobs=section.blobs,
        keys=Keyring(section.keys) if section.keys else None,
        encrypt=section.encrypt,
        quota=int(section.quota * 2**20),
        keep=section.keep * DAY,
        alarm=section.alarm * DAY,
        tombstones=None if section.tombstones is None else section.tombstones * DAY,
    )


def notices(config: Config) -> Notices:
    """How recipients are told of held mail; raises `SettingError` where it is not set who tells them."""
    section = config.quarantine
    if not section.postmaster:
        raise SettingError(config.source, ("quarantine.postmaster: the address is needed from which notices come",))
    if section.link and not section.keys:
        raise SettingError(config.source, ("quarantine.link: links are signed with a key: set quarantine.keys",))
    return Notices(section.postmaster, section.link)


def delivery(config: Config) -> SmtpDelivery:
    """What hands notices and released mail on; raises `SettingError` where it is not set."""
    if not config.quarantine.smtp:
        raise SettingError(config.source, ('quarantine.smtp: "host:port" is needed to hand mail on',))
    return SmtpDelivery(config.quarantine.smtp)
