"""The tables of a tuning database: workloads, records of their candidates, their features,
sessions."""

import sqlalchemy as sql

VERSION = 1
"""Of the tables; a database of another version is refused."""

TABLES = sql.MetaData()

ABOUT = sql.Table("about", TABLES, sql.Column("version", sql.Integer, primary_key=True))

WORKLOAD = sql.Table(
    "workload",
    TABLES,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("tvm", sql.String(20), nullable=False),
    sql.Column("hash", sql.String(20), nullable=False),
    sql.Column("module", sql.Text, nullable=False),
    sql.UniqueConstraint("tvm", "hash"),
)

RECORD = sql.Table(
    "record",
    TABLES,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("workload_id", sql.ForeignKey("workload.id"), nullable=False),
    sql.Column("device", sql.String(200), nullable=False),
    sql.Column("threads", sql.Integer, nullable=False),
    sql.Column("digest", sql.String(64), nullable=False),
    sql.Column("trace", sql.Text, nullable=False),
    sql.Column("run_secs", sql.Text, nullable=False),
    sql.Column("seconds", sql.Double),
    sql.Column("target", sql.Text, nullable=False),
    sql.Column("args", sql.Text, nullable=False),
    sql.Column("state", sql.String(20), nullable=False),
    sql.Column("reason", sql.Text),
    sql.Column("created", sql.String(40), nullable=False),
    sql.UniqueConstraint("workload_id", "device", "threads", "digest"),
)

FEATURES = sql.Table(
    "features",
    TABLES,
    sql.Column("record_id", sql.ForeignKey("record.id", ondelete="CASCADE"), primary_key=True),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("vector", sql.LargeBinary, nullable=False),
)

SESSION = sql.Table(
    "session",
    TABLES,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("net", sql.String(200), nullable=False),
    sql.Column("plan", sql.String(200), nullable=False),
    sql.Column("device", sql.String(200), nullable=False),
    sql.Column("threads", sql.Integer, nullable=False),
    sql.Column("tvm", sql.String(20), nullable=False),
    sql.Column("seed", sql.BigInteger, nullable=False),
    sql.Column("trials", sql.Integer, nullable=False),
    sql.Column("date", sql.String(40), nullable=False),
    sql.Column("versions", sql.Text, nullable=False),
    sql.Column("tasks", sql.Text, nullable=False),
    sql.Column("layers", sql.Text, nullable=False),
    sql.UniqueConstraint("net", "plan", "device", "threads", "tvm"),
)
