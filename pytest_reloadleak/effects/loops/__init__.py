"""The probe for work that event loops still have to do, and nothing that runs or closes a loop."""
