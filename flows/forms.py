"""Titles of a flow's parameters in the forms that Prefect's page draws."""

from pydantic import Field
from pydantic.fields import FieldInfo


def titled(title: str) -> FieldInfo:
    """The annotation of a parameter that is called `title` in a form.

    Prefect sets a parameter's title to its name, and then adds what is extra.
    """
    field: FieldInfo = Field(json_schema_extra={"title": title})
    return field
