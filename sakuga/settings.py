"""Settings of this machine, from the environment and one optional file.

Order: environment (`SAKUGA_...`, nested with two underscores: `SAKUGA_LIMITS__MAX_PIXELS`), then
`config.toml` in `SAKUGA_HOME`, then the defaults here.
"""

import os
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sakuga.errors import OptionError


def home() -> Path:
    """Folder of everything that Sakuga keeps between runs: `SAKUGA_HOME`, else `~/.sakuga`."""
    return Path(os.environ.get("SAKUGA_HOME") or Path.home() / ".sakuga").expanduser().absolute()


class Limits(BaseModel):
    """What a source may be at most; all are checked before frames are decoded."""

    max_file_bytes: int = Field(500 * 10**9, gt=0, description="Size of a source in bytes.")
    max_duration: float = Field(24 * 3600, gt=0, description="Duration of a source in seconds.")
    max_pixels: int = Field(8192 * 4320, gt=0, description="Pixels of one source frame.")
    max_output_pixels: int = Field(16384 * 8640, gt=0, description="Pixels of one frame of the result.")
    max_streams: int = Field(100, gt=0, description="Streams in a source.")
    max_frame_rate: float = Field(500, gt=0, description="Frames per second, of a source or asked for.")
    max_frames: int = Field(10_000_000, gt=0, description="Frames of a source.")
    open_timeout: float = Field(30, gt=0, description="Seconds that opening a source may take.")


class Cache(BaseModel):
    """How much of finished chunks is kept; `sakuga clean` enforces it."""

    max_bytes: int = Field(50 * 10**9, ge=0, description="Size of all finished chunks together in bytes.")
    max_age_days: float = Field(14, ge=0, description="Days since a chunk was last used.")


class Farm(BaseModel):
    """How one job is spread over the machines of a work pool."""

    deployment: str = Field(
        "enhance-chunks/enhance-chunks",
        description="Deployment that makes chunks for a job with `dispatch` `pool`.",
    )
    segments_deployment: str = Field(
        "episode-segments/episode-segments",
        description="Deployment that makes segments for an episode with `dispatch` `pool`.",
    )
    unit_seconds: float = Field(
        300, gt=0, description="Seconds of work that are given to a worker at a time."
    )
    deadline: float = Field(3600, gt=0, description="Seconds after which a worker gives its chunks back.")
    lease_seconds: float = Field(
        180, gt=0, description="Seconds without a sign of its job after which a worker stops."
    )
    patience: float = Field(
        180, ge=0, description="Seconds that a store or a server that does not answer is waited for."
    )
    silence: float = Field(
        240,
        ge=90,
        description="Seconds without a heartbeat after which a run is gone; more than `patience` + 30.",
    )
    tries: int = Field(4, ge=1, description="Workers that may fail at a chunk before its job fails.")
    source_bytes: int = Field(
        100 * 10**9, ge=0, description="Size of the sources that a worker keeps fetched, in bytes."
    )


class Settings(BaseSettings):
    """Settings of this machine; immutable once read."""

    model_config = SettingsConfigDict(
        env_prefix="SAKUGA_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    ffmpeg_path: Path | None = Field(
        None, validation_alias="FFMPEG_PATH", description="The ffmpeg to use in place of imageio-ffmpeg's."
    )
    scratch: Path | None = Field(None, description="Where runs keep temporary files; `SAKUGA_HOME/scratch`.")
    store: Path | None = Field(None, description="The default media store; `SAKUGA_HOME/store`.")
    models: Path | None = Field(None, description="Where weights of models lie; `SAKUGA_HOME/models`.")
    model_mirror: str | None = Field(
        None,
        description="Folder or http(s) address to take weights from, in place of where they are published.",
    )
    download_timeout: float = Field(
        20, gt=0, description="Seconds without a byte after which a download counts as interrupted."
    )
    workers: int = Field(1, ge=1, le=64, description="Chunks that are enhanced at the same time.")
    subprocess_timeout: float = Field(6 * 3600, gt=0, description="Seconds that one ffmpeg may run.")
    limits: Limits = Limits()
    cache: Cache = Cache()
    farm: Farm = Farm()

    @property
    def scratch_root(self) -> Path:
        """Folder that holds one folder per run."""
        return self.scratch or home() / "scratch"

    @property
    def store_root(self) -> Path:
        """Folder of the default media store."""
        return self.store or home() / "store"

    @property
    def models_root(self) -> Path:
        """Folder of the weights of models."""
        return (self.models or home() / "models").expanduser()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home() / "config.toml")


def load_settings() -> Settings:
    """Settings as they are now.

    Raises:
        OptionError: a setting is not acceptable; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise OptionError(f"The setting {name} is wrong: {first['msg']}.") from error
    except ValueError as error:
        raise OptionError(f"The settings file {home() / 'config.toml'} cannot be read: {error}.") from error
