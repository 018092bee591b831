"""How alembic runs the changes: on the connection that `service.database` hands over."""

from alembic import context

from service.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
