"""The policy that Doorward holds people to in these tests: one document, a group for each case."""

# sent with every inference request of a client that took its managed settings
SERVED_HEADER = ("x-doorward-e2e", "served")
ALLOWED_MODEL = "claude-sonnet-5"
DENIED_MODEL = "claude-opus-5-5"

POLICY = f"""
[[grant]]
name = "engineers may use Sonnet and Haiku"
who = {{ groups = ["engineering"] }}
models = ["claude-sonnet-*", "claude-haiku-*"]

[[grant]]
name = "contractors and interns may use Sonnet"
who = {{ groups = ["contractors", "interns"] }}
models = ["claude-sonnet-*"]

[[require]]
name = "administrators use Claude Code alone"
who = {{ groups = ["doorward-admins"] }}
clients = ["claude_code"]

[[limit]]
name = "contractors go slowly"
who = {{ groups = ["contractors"] }}
requests_per_minute = 1

[[budget]]
name = "interns have almost nothing"
who = {{ groups = ["interns"] }}
for = "member"
amount_usd = "0.0001"
period = "daily"

[[inspect]]
name = "no secrets"
detectors = ["secret.*"]
action = "block"

[[managed_settings]]
name = "everyone"

[managed_settings.settings]
model = "sonnet"

[managed_settings.settings.env]
ANTHROPIC_CUSTOM_HEADERS = "{SERVED_HEADER[0]}: {SERVED_HEADER[1]}"
"""

# an API key of the right form that opens nothing
SECRET = "sk-ant-api03-" + "Zx8Kq2Lw9Rv4Tn6Yb1Hc3Jd5Mf7Pg0Sa" * 3 + "AA"
