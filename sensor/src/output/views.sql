-- The addresses outside that each detection is about, and what is known of them.
CREATE VIEW IF NOT EXISTS v_detection_outside AS
SELECT ds.detection_id,
       json_extract(outside.value, '$.ip') AS ip,
       max(json_extract(outside.value, '$.country')) AS country,
       max(json_extract(outside.value, '$.asn')) AS asn,
       max(json_extract(outside.value, '$.as_org')) AS as_org,
       max(json_extract(outside.value, '$.names')) AS names_json
FROM detection_signals ds
JOIN signals s USING (signal_id), json_each(s.evidence_json, '$.outside') AS outside
GROUP BY ds.detection_id, ip
ORDER BY ds.detection_id, ip;
