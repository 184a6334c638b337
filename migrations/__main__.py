"""`python -m migrations`: bring the database of DATABASE_URL to the newest migration."""

from control_plane.database import upgrade
from control_plane.settings import migration_url

if __name__ == "__main__":
    upgrade(migration_url())
