"""The network in integers, the reference that every export is compared with bit for bit. numpy alone. Ours."""
