"""Decision log, bundles, versions, promotion, review and audit; it may import inference, evaluation, data and core."""
