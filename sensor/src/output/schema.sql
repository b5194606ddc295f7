-- Version 1. Times are seconds since 1970-01-01 UTC.

CREATE TABLE detections (
    detection_id   TEXT PRIMARY KEY NOT NULL,
    rule_id        TEXT NOT NULL,
    detection_type TEXT NOT NULL,
    severity       TEXT NOT NULL,
    confidence     TEXT NOT NULL,
    src_ip         TEXT,
    dst_ip         TEXT,
    dst_port       INTEGER,
    first_ts       REAL NOT NULL,
    last_ts        REAL NOT NULL,
    count          INTEGER NOT NULL,
    signal_count   INTEGER NOT NULL,
    status         TEXT NOT NULL, -- 'open' at first; yours to change, a sensor never does
    suppressed_by  TEXT,
    mitre_json     TEXT NOT NULL,
    actions_json   TEXT NOT NULL,
    summary        TEXT NOT NULL
);

CREATE TABLE signals (
    signal_id     TEXT PRIMARY KEY NOT NULL,
    signal_type   TEXT NOT NULL,
    severity      TEXT NOT NULL,
    src_ip        TEXT,
    dst_ip        TEXT,
    dst_port      INTEGER,
    window_start  REAL NOT NULL,
    window_end    REAL NOT NULL,
    value         REAL,
    threshold     REAL,
    evidence_json TEXT NOT NULL,
    suppressed_by TEXT
);

CREATE TABLE detection_signals (
    detection_id TEXT NOT NULL,
    signal_id    TEXT NOT NULL,
    PRIMARY KEY (detection_id, signal_id)
) WITHOUT ROWID;

CREATE TABLE runs (
    run_id        TEXT PRIMARY KEY NOT NULL,
    version       TEXT NOT NULL,
    command       TEXT NOT NULL,
    config_digest TEXT NOT NULL,
    inputs_json   TEXT NOT NULL,
    first_ts      REAL,
    last_ts       REAL,
    packets       INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    flows         INTEGER NOT NULL,
    counters_json TEXT NOT NULL
);

-- What was found, worst first within a day.
CREATE VIEW v_detections AS
SELECT detection_id,
       strftime('%Y-%m-%d %H:%M:%S', first_ts, 'unixepoch') AS first_time,
       strftime('%Y-%m-%d %H:%M:%S', last_ts, 'unixepoch') AS last_time,
       severity, confidence, rule_id, detection_type, src_ip, dst_ip, dst_port, count,
       signal_count, status, suppressed_by, mitre_json, actions_json, summary, first_ts, last_ts,
       CASE severity WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'medium' THEN 2 ELSE 1 END
           AS severity_rank
FROM detections
ORDER BY first_ts, detection_id;

-- What waits for a person.
CREATE VIEW v_open_detections AS
SELECT * FROM v_detections
WHERE status = 'open' AND suppressed_by IS NULL
ORDER BY severity_rank DESC, first_ts, detection_id;

CREATE VIEW v_signals AS
SELECT signal_id,
       strftime('%Y-%m-%d %H:%M:%S', window_start, 'unixepoch') AS start_time,
       strftime('%Y-%m-%d %H:%M:%S', window_end, 'unixepoch') AS end_time,
       signal_type, severity, src_ip, dst_ip, dst_port, value, threshold,
       json_extract(evidence_json, '$.measure') AS measure,
       suppressed_by, evidence_json, window_start, window_end
FROM signals
ORDER BY window_start, signal_id;

-- The signals behind each detection.
CREATE VIEW v_detection_signals AS
SELECT d.detection_id, d.rule_id, d.detection_type, d.severity AS detection_severity,
       s.signal_id, s.signal_type, s.severity AS signal_severity, s.src_ip, s.dst_ip, s.dst_port,
       s.start_time, s.end_time, s.value, s.threshold, s.measure, s.suppressed_by, s.evidence_json
FROM detections d
JOIN detection_signals USING (detection_id)
JOIN v_signals s USING (signal_id)
ORDER BY d.first_ts, d.detection_id, s.window_start, s.signal_type, s.signal_id;

-- The flows behind each detection, to look up in conn.log.
CREATE VIEW v_detection_flows AS
SELECT DISTINCT ds.detection_id, flow.value AS uid
FROM detection_signals ds
JOIN signals s USING (signal_id), json_each(s.evidence_json, '$.uids') AS flow
ORDER BY ds.detection_id, uid;

-- Signals that no detection uses.
CREATE VIEW v_lone_signals AS
SELECT * FROM v_signals
WHERE signal_id NOT IN (SELECT signal_id FROM detection_signals);

-- Which hosts act up.
CREATE VIEW v_hosts AS
SELECT src_ip,
       count(*) AS detections,
       CASE max(severity_rank) WHEN 4 THEN 'critical' WHEN 3 THEN 'high' WHEN 2 THEN 'medium'
            ELSE 'low' END AS worst,
       group_concat(DISTINCT rule_id) AS rules,
       min(first_time) AS first_time,
       max(last_time) AS last_time
FROM v_detections
WHERE src_ip IS NOT NULL AND suppressed_by IS NULL
GROUP BY src_ip
ORDER BY max(severity_rank) DESC, count(*) DESC, src_ip;
