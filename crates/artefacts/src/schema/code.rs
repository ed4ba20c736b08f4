//! Claude Code's settings keys, and the members of the two objects that most rules stand in. A table of facts, no rules. Read by
//! [`super::Client::keys`] and [`crate::lint`].

use super::Delivery::{AnyFile, Managed};
use super::Kind::{Bool, Choice, Either, Int, List, Map, Number, Object, Text, Texts, Url};
use super::Secrecy::{May, Never};
use super::{Generation, Key, Kind, Mode};

/// Where this was read, and when.
pub const SOURCE: &str = "the settings schema in Claude Code 2.1.329 of 19 November 2026, and code.claude.com/docs/en/settings-reference";

macro_rules! keys {
    ($( $name:literal ($kind:expr) $delivery:ident $secrecy:ident; )*) => {
        /// Every key: its name, what its value is, from where it is taken, and whether it may hold a secret. The source does not say
        /// since which version.
        pub const KEYS: &[Key] = &[ $( Key {
            name: $name,
            kind: $kind,
            since: None,
            mode: Mode::Both,
            secrecy: $secrecy,
            delivery: $delivery,
            generation: Generation::Any,
        }, )* ];
    };
}

/// A member of an object: its name and what its value is.
pub type Member = (&'static str, Kind);

/// The members of `permissions`.
pub const PERMISSIONS: &[Member] = &[
    ("additionalDirectories", Texts),
    ("allow", Texts),
    ("ask", Texts),
    ("blockReadsExemptPaths", Texts),
    ("blockFileToolReadsOutsideWorkingDirectories", Bool),
    ("blockReadsOutsideWorkingDirectories", Bool),
    ("blockWritesOutsideWorkingDirectories", Bool),
    (
        "defaultMode",
        Choice(&[
            "acceptEdits",
            "auto",
            "bypassPermissions",
            "default",
            "dontAsk",
            "manual",
            "plan",
        ]),
    ),
    ("deny", Texts),
    ("denyInsteadOfPrompting", Bool),
    ("disableAutoMode", Choice(&["disable"])),
    ("disableBypassPermissionsMode", Choice(&["disable"])),
    ("workingDirectoriesAsGiven", Texts),
    ("workingDirectoriesExclude", Texts),
];

/// The members of `sandbox`.
pub const SANDBOX: &[Member] = &[
    ("allowAppleEvents", Bool),
    ("allowNestedUserNamespaces", Bool),
    ("allowUnsandboxedCommands", Bool),
    ("autoAllowBashIfSandboxed", Bool),
    ("bwrapPath", Text),
    ("credentials", Object),
    ("enableWeakerNestedSandbox", Bool),
    ("enableWeakerNetworkIsolation", Bool),
    ("enabled", Bool),
    ("excludedCommands", Texts),
    ("failIfUnavailable", Bool),
    ("filesystem", Object),
    ("ignoreViolations", Object),
    ("network", Object),
    ("ripgrep", Object),
    ("socatPath", Text),
    ("windows", Object),
];

/// The members of `sandbox.network`.
pub const SANDBOX_NETWORK: &[Member] = &[
    ("allowAllUnixSockets", Bool),
    ("allowLocalBinding", Bool),
    ("allowMachLookup", Texts),
    ("allowManagedDomainsOnly", Bool),
    ("allowUnixSockets", Texts),
    ("allowedDomains", Texts),
    ("deniedDomains", Texts),
    ("httpProxyPort", Int(1, 65_535)),
    ("socksProxyPort", Int(1, 65_535)),
    ("strictAllowlist", Bool),
    ("tlsTerminate", Object),
];

/// The members of `sandbox.filesystem`.
pub const SANDBOX_FILESYSTEM: &[Member] = &[
    ("allowManagedReadPathsOnly", Bool),
    ("allowRead", Texts),
    ("allowWrite", Texts),
    ("denyRead", Texts),
    ("denyWrite", Texts),
    ("disabled", Bool),
];

/// Keys that clients read at their strictest when the value cannot be read: nobody, nothing, or on.
pub const FAIL_CLOSED: &[&str] = &[
    "allowManagedHooksOnly",
    "allowManagedMcpServersOnly",
    "allowManagedPermissionRulesOnly",
    "allowedMcpServers",
    "availableModels",
    "enforceAvailableModels",
    "forceLoginOrgUUID",
];

keys! {
    "$schema" (Text) AnyFile Never;
    "additionalDirectoryConfigRoots" (Map) AnyFile Never;
    "additionalMarketplaces" (Object) AnyFile Never;
    "advisorModel" (Text) AnyFile Never;
    "agent" (Text) AnyFile Never;
    "agentPushNotifEnabled" (Bool) AnyFile Never;
    "allowAllClaudeAiMcps" (Bool) Managed Never;
    "allowClaudeInChromeWithManagedMcp" (Bool) Managed Never;
    "allowedChannelPlugins" (List) Managed Never;
    "allowedHttpHookUrls" (Texts) AnyFile Never;
    "allowedMarketplaces" (List) Managed Never;
    "allowedMcpServers" (List) AnyFile Never;
    "allowedProviders" (Texts) Managed Never;
    "allowManagedHooksOnly" (Bool) Managed Never;
    "allowManagedMcpServersOnly" (Bool) Managed Never;
    "allowManagedPermissionRulesOnly" (Bool) Managed Never;
    "allowNestedModelAccessUnderForceLogin" (Bool) AnyFile Never;
    "alwaysThinkingEnabled" (Bool) AnyFile Never;
    "apiKeyHelper" (Text) AnyFile Never;
    "appendPlugins" (Texts) AnyFile Never;
    "askUserQuestionTimeout" (Choice(&["60s", "5m", "10m", "never"])) AnyFile Never;
    "attribution" (Either(&Object, &Bool)) AnyFile Never;
    "attributionProject" (Text) AnyFile Never;
    "attributionProjectPolicy" (Object) Managed Never;
    "autoCompactEnabled" (Bool) AnyFile Never;
    "autoCompactOfferAnswer" (Object) AnyFile Never;
    "autoCompactRaisedForLoad" (Bool) AnyFile Never;
    "autoCompactWindow" (Int(1, i64::MAX)) AnyFile Never;
    "autoContinueAtUsageLimit" (Bool) AnyFile Never;
    "autoDreamEnabled" (Bool) AnyFile Never;
    "autoMemoryDirectory" (Text) AnyFile Never;
    "autoMemoryEnabled" (Bool) AnyFile Never;
    "autoMode" (Object) AnyFile Never;
    "autoScrollEnabled" (Bool) AnyFile Never;
    "autoUpdatesChannel" (Choice(&["latest", "stable", "rc"])) AnyFile Never;
    "autoUploadSessions" (Bool) AnyFile Never;
    "availableModels" (Texts) AnyFile Never;
    "availableModelsMatch" (Choice(&["prefix", "exact"])) AnyFile Never;
    "awaySummaryEnabled" (Bool) AnyFile Never;
    "awsAuthRefresh" (Text) AnyFile Never;
    "awsCredentialExport" (Text) AnyFile Never;
    "axScreenReader" (Bool) AnyFile Never;
    "bashEditDiffEnabled" (Bool) AnyFile Never;
    "bashOutputMaxChars" (Int(1, i64::MAX)) AnyFile Never;
    "blockedMarketplaces" (List) Managed Never;
    "breakReminder" (Object) AnyFile Never;
    "channelsEnabled" (Bool) Managed Never;
    "claudeMd" (Text) Managed Never;
    "claudeMdExcludes" (Texts) AnyFile Never;
    "clawdFileProgressEnabled" (Bool) AnyFile Never;
    "cleanupPeriodDays" (Int(1, i64::MAX)) AnyFile Never;
    "companyAnnouncements" (Texts) AnyFile Never;
    "crossSessionInbound" (Choice(&["accept", "hold", "refuse"])) AnyFile Never;
    "daemonColdStart" (Choice(&["transient", "ask"])) AnyFile Never;
    "defaultShell" (Choice(&["bash", "powershell"])) AnyFile Never;
    "defaultView" (Choice(&["chat", "transcript"])) AnyFile Never;
    "deniedMcpServers" (List) AnyFile Never;
    "deniedModels" (Texts) AnyFile Never;
    "desktopMcpServersListScope" (Text) AnyFile Never;
    "desktopSessionCleanupPeriodDays" (Int(0, i64::MAX)) AnyFile Never;
    "dialogExpiry" (Choice(&["60s", "5m", "10m", "never"])) AnyFile Never;
    "disableAgentView" (Bool) AnyFile Never;
    "disableAllHooks" (Bool) AnyFile Never;
    "disableArtifact" (Bool) AnyFile Never;
    "disableAutoMode" (Choice(&["disable"])) AnyFile Never;
    "disableBundledSkills" (Bool) AnyFile Never;
    "disableClaudeAiConnectors" (Bool) AnyFile Never;
    "disableCommandPluginSources" (Bool) Managed Never;
    "disableDeepLinkRegistration" (Choice(&["disable"])) AnyFile Never;
    "disabledMcpjsonServers" (Texts) AnyFile Never;
    "disableRemoteControl" (Bool) AnyFile Never;
    "disableReplyCheck" (Bool) AnyFile Never;
    "disableSideloadFlags" (Bool) Managed Never;
    "disableSkillShellExecution" (Bool) AnyFile Never;
    "disableWindowsBashCommandSplit" (Bool) AnyFile Never;
    "disableWorkflows" (Bool) AnyFile Never;
    "doneMeansMerged" (Bool) AnyFile Never;
    "editorMode" (Choice(&["normal", "vim"])) AnyFile Never;
    "effortLevel" (Choice(&["low", "medium", "high", "xhigh"])) AnyFile Never;
    "emojiCompletionEnabled" (Bool) AnyFile Never;
    "enableAllProjectMcpServers" (Bool) AnyFile Never;
    "enableArtifact" (Bool) AnyFile Never;
    "enabledMcpjsonServers" (Texts) AnyFile Never;
    "enabledPlugins" (Object) AnyFile Never;
    "enableWorkflows" (Bool) AnyFile Never;
    "enforceAvailableModels" (Bool) AnyFile Never;
    "env" (Map) AnyFile May;
    "extraKnownMarketplaces" (Object) AnyFile Never;
    "fallbackModel" (Texts) AnyFile Never;
    "fastMode" (Bool) AnyFile Never;
    "fastModePerSessionOptIn" (Bool) AnyFile Never;
    "feedbackDrafts" (Choice(&["notify", "quiet", "off"])) AnyFile Never;
    "feedbackSurveyRate" (Number(0.0, 1.0)) AnyFile Never;
    "fileCheckpointingEnabled" (Bool) AnyFile Never;
    "fileSuggestion" (Object) AnyFile May;
    "footerLinksRegexes" (List) AnyFile Never;
    "forceLoginGatewayUrl" (Url) AnyFile Never;
    "forceLoginMethod" (Choice(&["claudeai", "console", "gateway"])) AnyFile Never;
    "forceLoginOrgUUID" (Either(&Text, &Texts)) AnyFile Never;
    "forceRemoteSettingsRefresh" (Bool) Managed Never;
    "gatewayInternalNetworks" (Texts) Managed Never;
    "gcpAuthRefresh" (Text) AnyFile Never;
    "hooks" (Object) AnyFile May;
    "httpHookAllowedEnvVars" (Texts) AnyFile Never;
    "idleCompaction" (Bool) AnyFile Never;
    "includeCoAuthoredBy" (Bool) AnyFile Never;
    "includeGitInstructions" (Bool) AnyFile Never;
    "inputNeededNotifEnabled" (Bool) AnyFile Never;
    "isolatePeerMachines" (Bool) AnyFile Never;
    "keybindingFlavor" (Choice(&["classic", "readline"])) AnyFile Never;
    "language" (Text) AnyFile Never;
    "managedMcpServers" (Object) AnyFile May;
    "managedSourcesBehavior" (Choice(&["first-wins", "merge"])) Managed Never;
    "maxEffortLevel" (Choice(&["low", "medium", "high", "xhigh", "max"])) AnyFile Never;
    "maxProseWidth" (Int(40, i64::MAX)) AnyFile Never;
    "minimumVersion" (Text) AnyFile Never;
    "model" (Text) AnyFile Never;
    "modelOverrides" (Map) AnyFile Never;
    "modelPicker" (Object) AnyFile Never;
    "modelPricing" (Object) AnyFile Never;
    "modelProposedGoals" (Choice(&["auto", "alwaysAsk", "disabled"])) AnyFile Never;
    "modelSettings" (Object) AnyFile Never;
    "otelHeadersHelper" (Text) AnyFile Never;
    "outputStyle" (Text) AnyFile Never;
    "parentSettingsBehavior" (Choice(&["first-wins", "merge"])) Managed Never;
    "permissions" (Object) AnyFile Never;
    "plansDirectory" (Text) AnyFile Never;
    "pluginConfigs" (Object) AnyFile May;
    "pluginSuggestionMarketplaces" (Texts) Managed Never;
    "pluginTrustMessage" (Text) Managed Never;
    "policyHelper" (Object) Managed Never;
    "policyHelpers" (Object) Managed Never;
    "precomputeArmTokens" (Int(1, i64::MAX)) AnyFile Never;
    "precomputeCompactionEnabled" (Bool) AnyFile Never;
    "preferredNotifChannel" (Choice(&["auto", "iterm2", "terminal_bell", "iterm2_with_bell", "kitty", "ghostty", "notifications_disabled"])) AnyFile Never;
    "prefersReducedMotion" (Bool) AnyFile Never;
    "prependPlugins" (Texts) AnyFile Never;
    "processWrapper" (Text) AnyFile Never;
    "promptCacheTtl" (Choice(&["5m", "1h"])) AnyFile Never;
    "promptSuggestionEnabled" (Bool) AnyFile Never;
    "proxyAuthHelper" (Text) AnyFile May;
    "prUrlTemplate" (Text) AnyFile Never;
    "quietHours" (Object) AnyFile Never;
    "remote" (Object) AnyFile Never;
    "remoteControl" (Object) AnyFile Never;
    "remoteControlAtStartup" (Bool) AnyFile Never;
    "remoteMessageReceipts" (Choice(&["on", "always", "off"])) AnyFile Never;
    "remoteTools" (Object) AnyFile Never;
    "requiredMaximumVersion" (Text) Managed Never;
    "requiredMinimumVersion" (Text) Managed Never;
    "respectGitignore" (Bool) AnyFile Never;
    "respondToBashCommands" (Bool) AnyFile Never;
    "responseComparisonEnabled" (Bool) AnyFile Never;
    "sandbox" (Object) AnyFile Never;
    "showClearContextOnPlanAccept" (Bool) AnyFile Never;
    "showMessageTimestamps" (Bool) AnyFile Never;
    "showThinkingSummaries" (Bool) AnyFile Never;
    "showTurnDuration" (Bool) AnyFile Never;
    "skillListingBudgetFraction" (Number(0.0, 1.0)) AnyFile Never;
    "skillListingMaxDescChars" (Int(1, i64::MAX)) AnyFile Never;
    "skillOverrides" (Object) AnyFile Never;
    "skipAutoPermissionPrompt" (Bool) AnyFile Never;
    "skipDangerousModePermissionPrompt" (Bool) AnyFile Never;
    "skipWebFetchPreflight" (Bool) AnyFile Never;
    "skipWorkflowUsageWarning" (Bool) AnyFile Never;
    "spellcheck" (Object) AnyFile Never;
    "spinnerTipsEnabled" (Bool) AnyFile Never;
    "spinnerTipsOverride" (Object) AnyFile Never;
    "spinnerVerbs" (Object) AnyFile Never;
    "sshConfigs" (List) AnyFile May;
    "sshHostCommands" (List) AnyFile May;
    "statusLine" (Object) AnyFile May;
    "strictKnownMarketplaces" (List) Managed Never;
    "strictPluginOnlyCustomization" (Either(&Bool, &Texts)) Managed Never;
    "subagentPromptCacheTtl" (Choice(&["5m", "1h"])) AnyFile Never;
    "subagentStatusLine" (Object) AnyFile May;
    "switchModelsOnFlag" (Bool) AnyFile Never;
    "syncClaudeAiPlugins" (Bool) AnyFile Never;
    "syncClaudeAiSkills" (Bool) AnyFile Never;
    "syntaxHighlightingDisabled" (Bool) AnyFile Never;
    "taskOutputMaxChars" (Int(1, i64::MAX)) AnyFile Never;
    "teammateMode" (Choice(&["auto", "tmux", "iterm2", "in-process"])) AnyFile Never;
    "terminalProgressBarEnabled" (Bool) AnyFile Never;
    "terminalTitleFromRename" (Bool) AnyFile Never;
    "theme" (Text) AnyFile Never;
    "timeFormat" (Text) AnyFile Never;
    "timeZone" (Text) AnyFile Never;
    "todoFeatureEnabled" (Bool) AnyFile Never;
    "totalTokensReminder" (Choice(&["off", "infinite", "fixed", "countdown", "padded-countdown"])) AnyFile Never;
    "totalTokensReminderAfterUserTurn" (Bool) AnyFile Never;
    "totalTokensReminderBudget" (Int(1, i64::MAX)) AnyFile Never;
    "tui" (Choice(&["default", "fullscreen"])) AnyFile Never;
    "ultracode" (Bool) AnyFile Never;
    "useAutoModeDuringPlan" (Bool) AnyFile Never;
    "verbose" (Bool) AnyFile Never;
    "viewMode" (Choice(&["default", "verbose", "focus"])) AnyFile Never;
    "vimInsertModeRemaps" (Object) AnyFile Never;
    "voice" (Object) AnyFile Never;
    "voiceEnabled" (Bool) AnyFile Never;
    "wheelScrollAccelerationEnabled" (Bool) AnyFile Never;
    "workflowKeywordTriggerEnabled" (Bool) AnyFile Never;
    "workflowSizeGuideline" (Choice(&["unrestricted", "small", "medium", "large"])) AnyFile Never;
    "worktree" (Object) AnyFile Never;
    "wslInheritsWindowsSettings" (Bool) Managed Never;
}
