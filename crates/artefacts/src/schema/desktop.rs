//! Claude Desktop's configuration keys, as a device management or a gateway sets them. A table of facts, no rules. Read by
//! [`super::Client::keys`].

use super::Delivery::{Device, Everywhere};
use super::Kind::{
    Bool, Choice, Either, HttpsUrl, Int, List, Map, Number, Object, Path, Text, Texts, Url,
};
use super::Mode::{Both, P1, P3};
use super::Secrecy::{Always, May, Never};
use super::{Generation, Key};

/// Where this was read, and when.
pub const SOURCE: &str = "the configuration schema in Claude Code 2.1.329 of 19 November 2026, and claude.com/docs/third-party/claude-desktop";

macro_rules! keys {
    ($( $name:literal ($kind:expr) $since:literal $mode:ident $secrecy:ident $delivery:ident; )*) => {
        /// Every key: its name, what its value is, since which version, in which mode, whether it is secret, and from where it is taken.
        pub const KEYS: &[Key] = &[ $( Key {
            name: $name,
            kind: $kind,
            since: Some($since),
            mode: $mode,
            secrecy: $secrecy,
            delivery: $delivery,
            generation: generation($name),
        }, )* ];
    };
}

/// The two pairs of keys that say where people sign in.
const fn generation(name: &str) -> Generation {
    match name.as_bytes() {
        b"inferenceGatewayOidc" | b"inferenceGatewayOidcAuthFlow" => Generation::Compatible,
        b"inferenceIdpOidc" | b"inferenceIdpAuthFlow" => Generation::Current,
        _ => Generation::Any,
    }
}

keys! {
    "allowedPluginMarketplaces" (List) "1.17377.1" P3 Never Everywhere;
    "allowedPluginMcpServers" (List) "2.2553.0" P3 Never Everywhere;
    "allowedWorkspaceFolders" (List) "1.2581.0" Both Never Everywhere;
    "allowOptionalClientAuth" (Bool) "1.17377.1" P3 Never Everywhere;
    "alwaysStartWithDefaultModel" (Bool) "2.110.0" P3 Never Everywhere;
    "autoModeEnabled" (Bool) "1.10628.0" P3 Never Everywhere;
    "autoUpdaterEnforcementHours" (Int(1, 72)) "1.2581.0" Both Never Everywhere;
    "banner" (Object) "1.7196.0" Both Never Everywhere;
    "blockReadsOutsideWorkingDirectories" (Bool) "1.46388.1" Both Never Everywhere;
    "bootstrapEnabled" (Bool) "1.10628.0" P3 Never Device;
    "bootstrapHeaders" (Map) "1.32885.1" P3 May Device;
    "bootstrapHeadersHelper" (Path) "1.32885.1" P3 Never Device;
    "bootstrapOidc" (Object) "1.10628.0" P3 Never Device;
    "bootstrapUrl" (HttpsUrl) "1.10628.0" P3 Never Device;
    "builtinBrowserAllowedDomains" (Texts) "2.2553.0" P3 Never Everywhere;
    "builtinBrowserBlockedDomains" (Texts) "2.2553.0" P3 Never Everywhere;
    "builtinBrowserDefaultDomainPolicy" (Choice(&["allow", "block"])) "2.2553.0" P3 Never Everywhere;
    "builtinBrowserEnabled" (Bool) "2.2553.0" P3 Never Everywhere;
    "builtinToolPolicy" (Object) "1.8089.0" Both Never Everywhere;
    "chatAdvancedFileAnalysisEnabled" (Bool) "1.14271.0" P3 Never Everywhere;
    "chatSessionRetentionDays" (Int(0, i64::MAX)) "1.52386.0" P3 Never Everywhere;
    "chatTabEnabled" (Bool) "1.13576.0" P3 Never Everywhere;
    "claudeAiImport" (Object) "1.10628.0" P3 May Everywhere;
    "claudeCodeProcessWrapperEnabled" (Bool) "2.7032.0" P3 Never Everywhere;
    "claudeInChromeEnabled" (Bool) "1.34493.0" P3 Never Everywhere;
    "claudeInChromePasswordManagersEnabled" (Bool) "2.9939.2" P3 Never Everywhere;
    "codeAllowedRepositories" (List) "2.16120.0" P3 Never Everywhere;
    "codeSessionRetentionDays" (Int(0, i64::MAX)) "1.52386.0" P3 Never Everywhere;
    "configRecheckIntervalMinutes" (Int(2, 30)) "1.46388.1" P3 Never Everywhere;
    "coworkEDRIntegration" (Path) "2.16120.0" Both Never Device;
    "coworkEDRIntegrationVendor" (Text) "2.16120.0" Both Never Device;
    "coworkEgressAllowedHosts" (Texts) "1.2581.0" P3 Never Everywhere;
    "coworkSessionRetentionDays" (Int(0, i64::MAX)) "1.52386.0" P3 Never Everywhere;
    "coworkTabEnabled" (Bool) "1.9659.0" P3 Never Everywhere;
    "coworkVmIpv6Enabled" (Bool) "1.52386.0" P3 Never Everywhere;
    "dangerousMaxVersion" (Text) "2.110.0" P3 Never Everywhere;
    "defaultModelEffort" (Choice(&["low", "medium", "high", "xhigh", "max"])) "2.110.0" P3 Never Everywhere;
    "deniedPluginMcpServers" (List) "2.16120.0" P3 Never Everywhere;
    "deploymentDisplayName" (Text) "1.24012.0" P3 Never Everywhere;
    "deploymentDisplaySubtitle" (Text) "1.24012.0" P3 Never Everywhere;
    "deploymentOrganizationUuid" (Text) "1.2581.0" P3 Never Everywhere;
    "desktopHome" (Choice(&["standard", "simple", "no-vm", "off"])) "1.52386.0" P3 Never Everywhere;
    "dictationEnabled" (Bool) "1.44121.1" P3 Never Everywhere;
    "disableAutoUpdates" (Bool) "1.2581.0" Both Never Everywhere;
    "disableBundledSkills" (Bool) "1.15962.0" Both Never Everywhere;
    "disableBypassPermissionsMode" (Bool) "1.46388.1" P3 Never Everywhere;
    "disableConfigDeprecationWarnings" (Bool) "1.40609.0" Both Never Everywhere;
    "disableConnectorSignInInApp" (Bool) "2.26454.0" P1 Never Device;
    "disabledBuiltinTools" (Texts) "1.2581.0" Both Never Everywhere;
    "disableDeepLinkRegistration" (Bool) "1.6889.0" P3 Never Everywhere;
    "disableDeploymentModeChooser" (Bool) "1.3834.0" P3 Never Everywhere;
    "disableEssentialTelemetry" (Bool) "1.2581.0" P3 Never Everywhere;
    "disableFeatureDiscovery" (Bool) "1.21459.0" P3 Never Everywhere;
    "disableLocalConfigCache" (Bool) "2.7032.0" P3 Never Everywhere;
    "disableMultiAccount" (Bool) "1.46388.1" P1 Never Device;
    "disableNonessentialServices" (Bool) "1.2581.0" P3 Never Everywhere;
    "disableNonessentialTelemetry" (Bool) "1.2581.0" P3 Never Everywhere;
    "disableWslSessions" (Bool) "1.19367.0" Both Never Everywhere;
    "egressProxyPacUrl" (Url) "1.44121.1" Both May Device;
    "egressProxyUrl" (Url) "1.44121.1" Both May Device;
    "endUserAttribution" (Bool) "1.25927.0" P3 Never Everywhere;
    "forceLoginOrgUUID" (Either(&Text, &Texts)) "1.2581.0" P1 Never Device;
    "hardwareBuddyEnabled" (Bool) "1.18286.0" P1 Never Device;
    "importThirdPartyHistoryIntoOrgUUID" (Text) "2.2553.0" P1 Never Device;
    "inferenceAnthropicApiKey" (Text) "1.8089.0" P3 Always Everywhere;
    "inferenceBedrockAwsCliPath" (Path) "1.13576.0" P3 Never Everywhere;
    "inferenceBedrockAwsDir" (Path) "1.2581.0" P3 Never Everywhere;
    "inferenceBedrockBaseUrl" (HttpsUrl) "1.2581.0" P3 Never Everywhere;
    "inferenceBedrockBearerToken" (Text) "1.2581.0" P3 Always Everywhere;
    "inferenceBedrockProfile" (Text) "1.2581.0" P3 Never Everywhere;
    "inferenceBedrockRegion" (Text) "1.2581.0" P3 Never Everywhere;
    "inferenceBedrockServiceTier" (Choice(&["flex", "priority"])) "1.5186.0" P3 Never Everywhere;
    "inferenceBedrockSsoAccountId" (Text) "1.6259.0" P3 Never Everywhere;
    "inferenceBedrockSsoRegion" (Text) "1.6259.0" P3 Never Everywhere;
    "inferenceBedrockSsoRoleName" (Text) "1.6259.0" P3 Never Everywhere;
    "inferenceBedrockSsoStartUrl" (Url) "1.6259.0" P3 Never Everywhere;
    "inferenceCredentialHelper" (Path) "1.2581.0" P3 Never Everywhere;
    "inferenceCredentialHelperArgs" (Texts) "2.110.0" P3 May Everywhere;
    "inferenceCredentialHelperSilentRefreshEnabled" (Bool) "1.10628.0" P3 Never Everywhere;
    "inferenceCredentialHelperTimeoutSec" (Int(1, 600)) "1.8089.0" P3 Never Everywhere;
    "inferenceCredentialHelperTtlSec" (Int(1, i64::MAX)) "1.2581.0" P3 Never Everywhere;
    "inferenceCredentialHelperWindows" (Path) "2.2553.0" P3 Never Everywhere;
    "inferenceCredentialKind" (Choice(&["static", "helper-script", "interactive", "vendor-profile", "workforce", "external-idp"])) "1.8555.0" P3 Never Everywhere;
    "inferenceCustomHeaders" (Map) "1.8089.0" P3 May Everywhere;
    "inferenceFoundryApiKey" (Text) "1.2581.0" P3 Always Everywhere;
    "inferenceFoundryAuthFlow" (Choice(&["device-code", "browser", "broker"])) "1.19367.0" P3 Never Everywhere;
    "inferenceFoundryBaseUrl" (HttpsUrl) "2.110.0" P3 Never Everywhere;
    "inferenceFoundryClientId" (Text) "1.9255.0" P3 Never Everywhere;
    "inferenceFoundryResource" (Text) "1.2581.0" P3 Never Everywhere;
    "inferenceFoundryTenantId" (Text) "1.9255.0" P3 Never Everywhere;
    "inferenceGatewayApiKey" (Text) "1.2581.0" P3 Always Everywhere;
    "inferenceGatewayAuthScheme" (Choice(&["bearer", "x-api-key"])) "1.3036.0" P3 Never Everywhere;
    "inferenceGatewayBaseUrl" (HttpsUrl) "1.2581.0" P3 Never Everywhere;
    "inferenceGatewayManagedClaudeCode" (Bool) "2.9939.2" P3 Never Everywhere;
    "inferenceGatewayOidc" (Object) "1.6889.0" P3 Never Everywhere;
    "inferenceGatewayOidcAuthFlow" (Choice(&["browser", "broker"])) "1.25927.0" P3 Never Everywhere;
    "inferenceIdpAuthFlow" (Choice(&["browser", "broker"])) "2.7032.0" P3 Never Everywhere;
    "inferenceIdpOidc" (Object) "2.7032.0" P3 Never Everywhere;
    "inferenceMaxTokensPerWindow" (Int(1, i64::MAX)) "1.2581.0" P3 Never Everywhere;
    "inferenceModelPricing" (List) "1.37937.0" P3 Never Everywhere;
    "inferenceModelPricingEnabled" (Bool) "1.37937.0" P3 Never Everywhere;
    "inferenceModelPricingMultiplier" (Number(0.0, 1.0)) "1.37937.0" P3 Never Everywhere;
    "inferenceModels" (List) "1.2581.0" P3 Never Everywhere;
    "inferenceProvider" (Choice(&["gateway", "anthropic", "bedrock", "mantle", "vertex", "foundry"])) "1.2581.0" P3 Never Everywhere;
    "inferenceSessionLifetimeSec" (Int(1, i64::MAX)) "1.14271.0" P3 Never Everywhere;
    "inferenceStreamIdleTimeoutSec" (Int(300, 1800)) "1.44121.1" P3 Never Everywhere;
    "inferenceTokenWindowHours" (Int(1, 720)) "1.2581.0" P3 Never Everywhere;
    "inferenceVertexBaseUrl" (HttpsUrl) "1.2581.0" P3 Never Everywhere;
    "inferenceVertexCredentialsFile" (Path) "1.2581.0" P3 Never Everywhere;
    "inferenceVertexOAuthClientId" (Text) "1.2581.0" P3 Never Everywhere;
    "inferenceVertexOAuthClientSecret" (Text) "1.2581.0" P3 Always Everywhere;
    "inferenceVertexOAuthLoginHint" (Text) "1.12603.0" P3 Never Everywhere;
    "inferenceVertexOAuthScopes" (Text) "1.2581.0" P3 Never Everywhere;
    "inferenceVertexProjectId" (Text) "1.2581.0" P3 Never Everywhere;
    "inferenceVertexRegion" (Text) "1.2581.0" P3 Never Everywhere;
    "inferenceVertexWorkforceAudience" (Text) "1.10628.0" P3 Never Everywhere;
    "inferenceVertexWorkforceAuthFlow" (Choice(&["browser", "broker"])) "1.25927.0" P3 Never Everywhere;
    "inferenceVertexWorkforceOidc" (Object) "1.10628.0" P3 Never Everywhere;
    "inferenceVertexWorkforceUserProject" (Text) "1.10628.0" P3 Never Everywhere;
    "isClaudeCodeForDesktopEnabled" (Bool) "1.2581.0" Both Never Everywhere;
    "isDesktopExtensionDirectoryEnabled" (Bool) "1.2581.0" P1 Never Device;
    "isDesktopExtensionEnabled" (Bool) "1.2581.0" Both Never Everywhere;
    "isDesktopExtensionSignatureRequired" (Bool) "1.2581.0" Both Never Everywhere;
    "isLocalDevMcpEnabled" (Bool) "1.2581.0" Both Never Everywhere;
    "keepAwakeEnabled" (Bool) "2.7032.0" P3 Never Everywhere;
    "loginSsoOrgDomain" (Text) "1.10628.0" P1 Never Device;
    "managedMcpServers" (List) "1.2581.0" P3 May Everywhere;
    "mcpPersistentAlwaysAllowEnabled" (Bool) "1.24012.9" P3 Never Everywhere;
    "mcpScheduledTaskApprovalLifetimeDays" (Int(0, 3650)) "2.7032.0" P3 Never Everywhere;
    "mcpToolTimeoutSec" (Int(60, 3600)) "1.37937.0" P3 Never Everywhere;
    "microsoftAuthBroker" (Choice(&["auto", "disabled", "required"])) "1.19367.0" P3 Never Everywhere;
    "microsoftAuthDefaultAccount" (Choice(&["enabled", "disabled"])) "2.26454.0" P3 Never Everywhere;
    "modelCatalogEnabled" (Bool) "2.110.0" P3 Never Everywhere;
    "modelCatalogUrl" (HttpsUrl) "2.110.0" P3 Never Everywhere;
    "modelDiscoveryEnabled" (Bool) "1.8089.0" P3 Never Everywhere;
    "modelPrefer1mContext" (Bool) "1.28929.0" P3 Never Everywhere;
    "organizationInstructions" (Text) "1.37937.0" P3 Never Everywhere;
    "organizationPluginsUrl" (Url) "1.10628.0" P3 Never Everywhere;
    "orgPluginSettings" (List) "1.8089.0" P3 Never Everywhere;
    "otlpAuthMode" (Choice(&["none", "inference-credential"])) "1.30096.1" P3 Never Everywhere;
    "otlpContentCapture" (Texts) "1.15962.0" Both Never Everywhere;
    "otlpDesktopLogLevel" (Choice(&["off", "error", "warn", "info", "debug"])) "1.9255.0" P3 Never Everywhere;
    "otlpEndpoint" (Url) "1.2581.0" P3 Never Everywhere;
    "otlpHeaders" (Map) "1.2581.0" P3 May Everywhere;
    "otlpHeadersHelper" (Path) "1.30096.1" P3 Never Everywhere;
    "otlpProtocol" (Choice(&["http/protobuf", "http/json", "grpc"])) "1.2581.0" P3 Never Everywhere;
    "otlpResourceAttributes" (Map) "1.5354.0" P3 May Everywhere;
    "otlpTracesEnabled" (Bool) "1.22209.0" P3 Never Everywhere;
    "quickWriteEnabled" (Bool) "2.26454.0" P1 Never Device;
    "relaunchEnforcementHours" (Int(0, 336)) "1.40609.0" P3 Never Everywhere;
    "relocateUncUserData" (Bool) "1.32352.0" P1 Never Device;
    "requireCoworkFullVmSandbox" (Bool) "1.2581.0" P1 Never Device;
    "scheduledTasksEnabled" (Bool) "2.110.0" P3 Never Everywhere;
    "secureVmFeaturesEnabled" (Bool) "1.2581.0" P1 Never Device;
    "selfHostedToken" (Text) "2.16120.0" P3 Always Everywhere;
    "selfHostedUrl" (Url) "2.16120.0" P3 Never Everywhere;
    "sessionRetentionHold" (Bool) "1.52386.0" P3 Never Everywhere;
    "sharingEndpoint" (Object) "2.9939.2" P3 May Everywhere;
    "skillCreationEnabled" (Bool) "1.25927.0" P3 Never Everywhere;
    "skipWebFetchPreflight" (Bool) "1.37937.0" P3 Never Everywhere;
    "sshClientPath" (Path) "1.46388.1" P3 Never Everywhere;
    "sshHostAllowlist" (Texts) "1.40609.0" P3 Never Everywhere;
    "sshTransport" (Choice(&["auto", "system-openssh", "builtin"])) "1.52386.0" P3 Never Everywhere;
    "toolSearchEnabled" (Bool) "1.21459.0" P3 Never Everywhere;
    "trustBootstrapDelivery" (Bool) "1.26832.0" P3 Never Device;
    "updateViaUpdatesHost" (Bool) "1.26832.0" P3 Never Everywhere;
    "usageMetricsEnabled" (Bool) "1.46388.1" P3 Never Everywhere;
    "userContentRendererUrl" (Url) "1.24012.0" P3 Never Everywhere;
    "userPluginMarketplacesEnabled" (Bool) "1.37937.0" P3 Never Everywhere;
    "userPluginUploadsEnabled" (Bool) "1.37937.0" P3 Never Everywhere;
}
