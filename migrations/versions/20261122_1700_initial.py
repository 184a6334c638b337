"""Initial schema: accounts to clusters, nodes, operations, specs, metrics, the ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_1700"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("is_operator", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("email", name="uq_accounts_email"),
    )
    op.create_table(
        "nodes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("signing_public_key", sa.Text(), nullable=False),
        sa.Column("sealing_public_key", sa.Text(), nullable=False),
        sa.Column("advertised_host", sa.Text(), nullable=False),
        sa.Column("port_first", sa.Integer(), nullable=False),
        sa.Column("port_last", sa.Integer(), nullable=False),
        sa.Column("rack", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_report_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("observed_generation", sa.BigInteger(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("agent_version", sa.Text(), nullable=False),
        sa.Column("disk_free_bytes", sa.BigInteger(), nullable=False),
        sa.Column("disk_total_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nodes"),
        sa.UniqueConstraint("signing_public_key", name="uq_nodes_signing_public_key"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_api_tokens_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
    )
    op.create_index("ix_api_tokens_account_id", "api_tokens", ["account_id"], unique=False)
    op.create_table(
        "apps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_apps_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_apps"),
    )
    op.create_index("ix_apps_account_id", "apps", ["account_id"], unique=False)
    op.create_index(
        "uq_apps_name_live",
        "apps",
        ["name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "idempotency_records",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_idempotency_records_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("account_id", "key", name="pk_idempotency_records"),
    )
    op.create_index(
        "ix_idempotency_records_created_at", "idempotency_records", ["created_at"], unique=False
    )
    op.create_table(
        "node_nonces",
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name="fk_node_nonces_node_id_nodes"),
        sa.PrimaryKeyConstraint("node_id", "nonce", name="pk_node_nonces"),
    )
    op.create_index("ix_node_nonces_expires_at", "node_nonces", ["expires_at"], unique=False)
    op.create_table(
        "node_specs",
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name="fk_node_specs_node_id_nodes"),
        sa.PrimaryKeyConstraint("node_id", name="pk_node_specs"),
    )
    op.create_table(
        "node_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("node_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name="fk_node_tokens_node_id_nodes"),
        sa.PrimaryKeyConstraint("id", name="pk_node_tokens"),
    )
    op.create_table(
        "addons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_addons_app_id_apps"),
        sa.PrimaryKeyConstraint("id", name="pk_addons"),
    )
    op.create_index("ix_addons_app_id", "addons", ["app_id"], unique=False)
    op.create_index(
        "uq_addons_name_live",
        "addons",
        ["name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "addon_attachments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("addon_id", sa.Uuid(), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["addon_id"], ["addons.id"], name="fk_addon_attachments_addon_id_addons"
        ),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_addon_attachments_app_id_apps"),
        sa.PrimaryKeyConstraint("id", name="pk_addon_attachments"),
        sa.UniqueConstraint("app_id", "name", name="uq_addon_attachments_app_id_name"),
    )
    op.create_index(
        "ix_addon_attachments_addon_id", "addon_attachments", ["addon_id"], unique=False
    )
    op.create_table(
        "clusters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("addon_id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("spec_generation", sa.BigInteger(), nullable=False),
        sa.Column("ca_certificate_pem", sa.Text(), nullable=True),
        sa.Column("ca_key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["addon_id"], ["addons.id"], name="fk_clusters_addon_id_addons"),
        sa.PrimaryKeyConstraint("id", name="pk_clusters"),
        sa.UniqueConstraint("addon_id", name="uq_clusters_addon_id"),
    )
    op.create_table(
        "events",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("addon_id", sa.Uuid(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["addon_id"], ["addons.id"], name="fk_events_addon_id_addons"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_events_app_id_apps"),
        sa.PrimaryKeyConstraint("sequence", name="pk_events"),
    )
    op.create_index("ix_events_addon_id_sequence", "events", ["addon_id", "sequence"], unique=False)
    op.create_table(
        "cluster_brokers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("broker_id", sa.Integer(), nullable=False),
        sa.Column("certificate_pem", sa.Text(), nullable=True),
        sa.Column("node_sealed_key", postgresql.JSONB(), nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name="fk_cluster_brokers_cluster_id_clusters"
        ),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name="fk_cluster_brokers_node_id_nodes"),
        sa.PrimaryKeyConstraint("id", name="pk_cluster_brokers"),
        sa.UniqueConstraint(
            "cluster_id", "broker_id", name="uq_cluster_brokers_cluster_id_broker_id"
        ),
    )
    op.create_index("ix_cluster_brokers_node_id", "cluster_brokers", ["node_id"], unique=False)
    op.create_table(
        "cluster_specs",
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("observed_generation", sa.BigInteger(), nullable=False),
        sa.Column("status", postgresql.JSONB(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name="fk_cluster_specs_cluster_id_clusters"
        ),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name="fk_cluster_specs_node_id_nodes"),
        sa.PrimaryKeyConstraint("cluster_id", "node_id", name="pk_cluster_specs"),
    )
    op.create_index("ix_cluster_specs_node_id", "cluster_specs", ["node_id"], unique=False)
    op.create_table(
        "config_vars",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("attachment_id", sa.Uuid(), nullable=True),
        sa.Column("sealed_value", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_config_vars_app_id_apps"),
        sa.ForeignKeyConstraint(
            ["attachment_id"],
            ["addon_attachments.id"],
            name="fk_config_vars_attachment_id_addon_attachments",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_config_vars"),
        sa.UniqueConstraint("app_id", "name", name="uq_config_vars_app_id_name"),
    )
    op.create_index("ix_config_vars_attachment_id", "config_vars", ["attachment_id"], unique=False)
    op.create_table(
        "credentials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Uuid(), nullable=True),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("certificate_pem", sa.Text(), nullable=False),
        sa.Column("key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("node_sealed_key", postgresql.JSONB(), nullable=True),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name="fk_credentials_cluster_id_clusters"
        ),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name="fk_credentials_node_id_nodes"),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
    )
    op.create_index("ix_credentials_cluster_id", "credentials", ["cluster_id"], unique=False)
    op.create_index(
        "uq_credentials_admin_live",
        "credentials",
        ["cluster_id", "node_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'admin' AND revoked_at IS NULL"),
    )
    op.create_index(
        "uq_credentials_client_live",
        "credentials",
        ["cluster_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'client' AND revoked_at IS NULL"),
    )
    op.create_table(
        "metric_samples",
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("broker_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name="fk_metric_samples_cluster_id_clusters"
        ),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name="fk_metric_samples_node_id_nodes"),
        sa.PrimaryKeyConstraint("node_id", "sequence", name="pk_metric_samples"),
    )
    op.create_index("ix_metric_samples_at", "metric_samples", ["at"], unique=False)
    op.create_index(
        "ix_metric_samples_cluster_id_name_at",
        "metric_samples",
        ["cluster_id", "name", "at"],
        unique=False,
    )
    op.create_table(
        "plan_intervals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("addon_id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("price_micros_per_month", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ended_at >= started_at", name="ck_plan_intervals_ends_after_start"),
        sa.ForeignKeyConstraint(
            ["addon_id"], ["addons.id"], name="fk_plan_intervals_addon_id_addons"
        ),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name="fk_plan_intervals_cluster_id_clusters"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_plan_intervals"),
    )
    op.create_index("ix_plan_intervals_addon_id", "plan_intervals", ["addon_id"], unique=False)
    op.create_index(
        "uq_plan_intervals_cluster_id_open",
        "plan_intervals",
        ["cluster_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "topics",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("partition_count", sa.Integer(), nullable=False),
        sa.Column("replication_factor", sa.Integer(), nullable=False),
        sa.Column("retention_ms", sa.BigInteger(), nullable=True),
        sa.Column("is_compacted", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name="fk_topics_cluster_id_clusters"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_topics"),
    )
    op.create_index(
        "uq_topics_cluster_id_name_live",
        "topics",
        ["cluster_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("addon_id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("topic_id", sa.Uuid(), nullable=True),
        sa.Column("input", postgresql.JSONB(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("steps_done", sa.Integer(), nullable=False),
        sa.Column("steps_total", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("step_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wake_count", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fencing_token", sa.BigInteger(), nullable=False),
        sa.Column("nudged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["addon_id"], ["addons.id"], name="fk_operations_addon_id_addons"),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name="fk_operations_cluster_id_clusters"
        ),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name="fk_operations_topic_id_topics"),
        sa.PrimaryKeyConstraint("id", name="pk_operations"),
    )
    op.create_index("ix_operations_addon_id", "operations", ["addon_id"], unique=False)
    op.create_index("ix_operations_cluster_id", "operations", ["cluster_id"], unique=False)
    op.create_index(
        "ix_operations_due_live",
        "operations",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'running', 'unwinding')"),
    )
    op.create_index(
        "uq_operations_kind_cluster_live",
        "operations",
        ["kind", "cluster_id"],
        unique=True,
        postgresql_where=sa.text(
            "state IN ('pending', 'running', 'unwinding') AND topic_id IS NULL"
        ),
    )
    op.create_index(
        "uq_operations_topic_live",
        "operations",
        ["topic_id"],
        unique=True,
        postgresql_where=sa.text(
            "state IN ('pending', 'running', 'unwinding') AND topic_id IS NOT NULL"
        ),
    )
    op.create_table(
        "step_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("output", postgresql.JSONB(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fencing_token", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.id"], name="fk_step_runs_operation_id_operations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_step_runs"),
        sa.UniqueConstraint(
            "operation_id", "name", "direction", name="uq_step_runs_operation_id_name_direction"
        ),
    )


def downgrade() -> None:
    op.drop_table("step_runs")
    op.drop_index(
        "uq_operations_topic_live",
        table_name="operations",
        postgresql_where=sa.text(
            "state IN ('pending', 'running', 'unwinding') AND topic_id IS NOT NULL"
        ),
    )
    op.drop_index(
        "uq_operations_kind_cluster_live",
        table_name="operations",
        postgresql_where=sa.text(
            "state IN ('pending', 'running', 'unwinding') AND topic_id IS NULL"
        ),
    )
    op.drop_index(
        "ix_operations_due_live",
        table_name="operations",
        postgresql_where=sa.text("state IN ('pending', 'running', 'unwinding')"),
    )
    op.drop_index("ix_operations_cluster_id", table_name="operations")
    op.drop_index("ix_operations_addon_id", table_name="operations")
    op.drop_table("operations")
    op.drop_index(
        "uq_topics_cluster_id_name_live",
        table_name="topics",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_table("topics")
    op.drop_index(
        "uq_plan_intervals_cluster_id_open",
        table_name="plan_intervals",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index("ix_plan_intervals_addon_id", table_name="plan_intervals")
    op.drop_table("plan_intervals")
    op.drop_index("ix_metric_samples_cluster_id_name_at", table_name="metric_samples")
    op.drop_index("ix_metric_samples_at", table_name="metric_samples")
    op.drop_table("metric_samples")
    op.drop_index(
        "uq_credentials_client_live",
        table_name="credentials",
        postgresql_where=sa.text("kind = 'client' AND revoked_at IS NULL"),
    )
    op.drop_index(
        "uq_credentials_admin_live",
        table_name="credentials",
        postgresql_where=sa.text("kind = 'admin' AND revoked_at IS NULL"),
    )
    op.drop_index("ix_credentials_cluster_id", table_name="credentials")
    op.drop_table("credentials")
    op.drop_index("ix_config_vars_attachment_id", table_name="config_vars")
    op.drop_table("config_vars")
    op.drop_index("ix_cluster_specs_node_id", table_name="cluster_specs")
    op.drop_table("cluster_specs")
    op.drop_index("ix_cluster_brokers_node_id", table_name="cluster_brokers")
    op.drop_table("cluster_brokers")
    op.drop_index("ix_events_addon_id_sequence", table_name="events")
    op.drop_table("events")
    op.drop_table("clusters")
    op.drop_index("ix_addon_attachments_addon_id", table_name="addon_attachments")
    op.drop_table("addon_attachments")
    op.drop_index(
        "uq_addons_name_live", table_name="addons", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index("ix_addons_app_id", table_name="addons")
    op.drop_table("addons")
    op.drop_table("node_tokens")
    op.drop_table("node_specs")
    op.drop_index("ix_node_nonces_expires_at", table_name="node_nonces")
    op.drop_table("node_nonces")
    op.drop_index("ix_idempotency_records_created_at", table_name="idempotency_records")
    op.drop_table("idempotency_records")
    op.drop_index(
        "uq_apps_name_live", table_name="apps", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index("ix_apps_account_id", table_name="apps")
    op.drop_table("apps")
    op.drop_index("ix_api_tokens_account_id", table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("nodes")
    op.drop_table("accounts")
