"""The tables and the changes that lead to them."""

import re

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from service.database import MIGRATIONS, NEWEST, Database, metadata, migrate, schema_version
from service.errors import Problem


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    if request.param == "sqlite":
        made = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    else:
        made = sa.create_engine(request.getfixturevalue("postgres_url"))
    yield made
    metadata.drop_all(made)
    made.dispose()


def test_the_changes_lead_to_the_tables_of_the_code(engine):
    with engine.begin() as connection:
        migrate(connection)
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
        assert connection.execute(sa.select(schema_version.c.version_num)).scalar() == NEWEST
    assert differences == []


def test_the_newest_change_is_known():
    names = sorted(path.name for path in (MIGRATIONS / "versions").glob("*.py"))
    assert re.match(r"\d{4}", names[-1])[0] == NEWEST


def test_an_old_database_gets_the_changes_it_lacks(tmp_path):
    path = tmp_path / "x.db"
    old = sa.create_engine(f"sqlite:///{path}")
    with old.begin() as connection:
        schema_version.create(connection)
    old.dispose()
    database = Database(f"sqlite:///{path}")
    database.check()
    database.close()


def test_a_newer_database_is_left_alone(tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    database = Database(url)
    with database.begin() as connection:
        connection.execute(schema_version.update().values(version_num="9999"))
    database.close()
    with pytest.raises(Problem, match=r"newer version \(9999\)"):
        Database(url).check()
