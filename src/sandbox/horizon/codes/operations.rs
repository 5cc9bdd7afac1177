//! The words for what became of an operation, kind by kind.

use stellar_xdr::OperationResultTr;

/// The word for the result of an operation that was tried.
pub(super) fn of_inner_result(result: &OperationResultTr) -> &'static str {
    use OperationResultTr as R;
    match result {
        R::CreateAccount(result) => accounts::created(result),
        R::Payment(result) => payments::payment(result),
        R::PathPaymentStrictReceive(result) => payments::strict_receive(result),
        R::PathPaymentStrictSend(result) => payments::strict_send(result),
        R::ManageSellOffer(result) | R::CreatePassiveSellOffer(result) => offers::sell(result),
        R::ManageBuyOffer(result) => offers::buy(result),
        R::SetOptions(result) => accounts::options_set(result),
        R::ChangeTrust(result) => trust::changed(result),
        R::AllowTrust(result) => trust::allowed(result),
        R::SetTrustLineFlags(result) => trust::flags_set(result),
        R::AccountMerge(result) => accounts::merged(result),
        R::Inflation(result) => accounts::inflation(result),
        R::ManageData(result) => accounts::data_managed(result),
        R::BumpSequence(result) => accounts::sequence_bumped(result),
        R::CreateClaimableBalance(result) => balances::created(result),
        R::ClaimClaimableBalance(result) => balances::claimed(result),
        R::ClawbackClaimableBalance(result) => balances::clawed_back(result),
        R::Clawback(result) => payments::clawback(result),
        R::BeginSponsoringFutureReserves(result) => sponsoring::begun(result),
        R::EndSponsoringFutureReserves(result) => sponsoring::ended(result),
        R::RevokeSponsorship(result) => sponsoring::revoked(result),
        R::LiquidityPoolDeposit(result) => pools::deposit(result),
        R::LiquidityPoolWithdraw(result) => pools::withdrawal(result),
        R::InvokeHostFunction(result) => contracts::invoked(result),
        R::ExtendFootprintTtl(result) => contracts::extended(result),
        R::RestoreFootprint(result) => contracts::restored(result),
    }
}

mod accounts {
    use stellar_xdr::{
        AccountMergeResult, BumpSequenceResult, CreateAccountResult, InflationResult, ManageDataResult,
        SetOptionsResult,
    };

    pub(super) fn created(result: &CreateAccountResult) -> &'static str {
        match result {
            CreateAccountResult::Success => "op_success",
            CreateAccountResult::Malformed => "op_malformed",
            CreateAccountResult::Underfunded => "op_underfunded",
            CreateAccountResult::LowReserve => "op_low_reserve",
            CreateAccountResult::AlreadyExist => "op_already_exists",
        }
    }

    pub(super) fn options_set(result: &SetOptionsResult) -> &'static str {
        match result {
            SetOptionsResult::Success => "op_success",
            SetOptionsResult::LowReserve => "op_low_reserve",
            SetOptionsResult::TooManySigners => "op_too_many_signers",
            SetOptionsResult::BadFlags => "op_bad_flags",
            SetOptionsResult::InvalidInflation => "op_invalid_inflation",
            SetOptionsResult::CantChange => "op_cant_change",
            SetOptionsResult::UnknownFlag => "op_unknown_flag",
            SetOptionsResult::ThresholdOutOfRange => "op_threshold_out_of_range",
            SetOptionsResult::BadSigner => "op_bad_signer",
            SetOptionsResult::InvalidHomeDomain => "op_invalid_home_domain",
            SetOptionsResult::AuthRevocableRequired => "op_auth_revocable_required",
        }
    }

    pub(super) fn merged(result: &AccountMergeResult) -> &'static str {
        match result {
            AccountMergeResult::Success(_) => "op_success",
            AccountMergeResult::Malformed => "op_malformed",
            AccountMergeResult::NoAccount => "op_no_account",
            AccountMergeResult::ImmutableSet => "op_immutable_set",
            AccountMergeResult::HasSubEntries => "op_has_sub_entries",
            AccountMergeResult::SeqnumTooFar => "op_seq_num_too_far",
            AccountMergeResult::DestFull => "op_dest_full",
            AccountMergeResult::IsSponsor => "op_is_sponsor",
        }
    }

    pub(super) fn inflation(result: &InflationResult) -> &'static str {
        match result {
            InflationResult::Success(_) => "op_success",
            InflationResult::NotTime => "op_not_time",
        }
    }

    pub(super) fn data_managed(result: &ManageDataResult) -> &'static str {
        match result {
            ManageDataResult::Success => "op_success",
            ManageDataResult::NotSupportedYet => "op_not_supported_yet",
            ManageDataResult::NameNotFound => "op_data_name_not_found",
            ManageDataResult::LowReserve => "op_low_reserve",
            ManageDataResult::InvalidName => "op_data_invalid_name",
        }
    }

    pub(super) fn sequence_bumped(result: &BumpSequenceResult) -> &'static str {
        match result {
            BumpSequenceResult::Success => "op_success",
            BumpSequenceResult::BadSeq => "op_bad_seq",
        }
    }
}

mod payments {
    use stellar_xdr::{ClawbackResult, PathPaymentStrictReceiveResult, PathPaymentStrictSendResult, PaymentResult};

    pub(super) fn payment(result: &PaymentResult) -> &'static str {
        match result {
            PaymentResult::Success => "op_success",
            PaymentResult::Malformed => "op_malformed",
            PaymentResult::Underfunded => "op_underfunded",
            PaymentResult::SrcNoTrust => "op_src_no_trust",
            PaymentResult::SrcNotAuthorized => "op_src_not_authorized",
            PaymentResult::NoDestination => "op_no_destination",
            PaymentResult::NoTrust => "op_no_trust",
            PaymentResult::NotAuthorized => "op_not_authorized",
            PaymentResult::LineFull => "op_line_full",
            PaymentResult::NoIssuer => "op_no_issuer",
        }
    }

    pub(super) fn strict_receive(result: &PathPaymentStrictReceiveResult) -> &'static str {
        use PathPaymentStrictReceiveResult as R;
        match result {
            R::Success(_) => "op_success",
            R::Malformed => "op_malformed",
            R::Underfunded => "op_underfunded",
            R::SrcNoTrust => "op_src_no_trust",
            R::SrcNotAuthorized => "op_src_not_authorized",
            R::NoDestination => "op_no_destination",
            R::NoTrust => "op_no_trust",
            R::NotAuthorized => "op_not_authorized",
            R::LineFull => "op_line_full",
            R::NoIssuer(_) => "op_no_issuer",
            R::TooFewOffers => "op_too_few_offers",
            R::OfferCrossSelf => "op_cross_self",
            R::OverSendmax => "op_over_source_max",
        }
    }

    pub(super) fn strict_send(result: &PathPaymentStrictSendResult) -> &'static str {
        use PathPaymentStrictSendResult as R;
        match result {
            R::Success(_) => "op_success",
            R::Malformed => "op_malformed",
            R::Underfunded => "op_underfunded",
            R::SrcNoTrust => "op_src_no_trust",
            R::SrcNotAuthorized => "op_src_not_authorized",
            R::NoDestination => "op_no_destination",
            R::NoTrust => "op_no_trust",
            R::NotAuthorized => "op_not_authorized",
            R::LineFull => "op_line_full",
            R::NoIssuer(_) => "op_no_issuer",
            R::TooFewOffers => "op_too_few_offers",
            R::OfferCrossSelf => "op_cross_self",
            R::UnderDestmin => "op_under_dest_min",
        }
    }

    pub(super) fn clawback(result: &ClawbackResult) -> &'static str {
        match result {
            ClawbackResult::Success => "op_success",
            ClawbackResult::Malformed => "op_malformed",
            ClawbackResult::NotClawbackEnabled => "op_not_clawback_enabled",
            ClawbackResult::NoTrust => "op_no_trust",
            ClawbackResult::Underfunded => "op_underfunded",
        }
    }
}

mod offers {
    use stellar_xdr::{ManageBuyOfferResult, ManageSellOfferResult};

    /// Both kinds of offers fail alike, under types of their own.
    macro_rules! words {
        ($of:ident, $result:ident) => {
            pub(super) fn $of(result: &$result) -> &'static str {
                use $result as R;
                match result {
                    R::Success(_) => "op_success",
                    R::Malformed => "op_malformed",
                    R::SellNoTrust => "op_sell_no_trust",
                    R::BuyNoTrust => "op_buy_no_trust",
                    R::SellNotAuthorized => "sell_not_authorized",
                    R::BuyNotAuthorized => "buy_not_authorized",
                    R::LineFull => "op_line_full",
                    R::Underfunded => "op_underfunded",
                    R::CrossSelf => "op_cross_self",
                    R::SellNoIssuer => "op_sell_no_issuer",
                    R::BuyNoIssuer => "buy_no_issuer",
                    R::NotFound => "op_offer_not_found",
                    R::LowReserve => "op_low_reserve",
                }
            }
        };
    }

    words!(sell, ManageSellOfferResult);
    words!(buy, ManageBuyOfferResult);
}

mod trust {
    use stellar_xdr::{AllowTrustResult, ChangeTrustResult, SetTrustLineFlagsResult};

    pub(super) fn changed(result: &ChangeTrustResult) -> &'static str {
        match result {
            ChangeTrustResult::Success => "op_success",
            ChangeTrustResult::Malformed => "op_malformed",
            ChangeTrustResult::NoIssuer => "op_no_issuer",
            ChangeTrustResult::InvalidLimit => "op_invalid_limit",
            ChangeTrustResult::LowReserve => "op_low_reserve",
            ChangeTrustResult::SelfNotAllowed => "op_self_not_allowed",
            ChangeTrustResult::TrustLineMissing => "op_trust_line_missing",
            ChangeTrustResult::CannotDelete => "op_cannot_delete",
            ChangeTrustResult::NotAuthMaintainLiabilities => "op_not_aut_maintain_liabilities",
        }
    }

    pub(super) fn allowed(result: &AllowTrustResult) -> &'static str {
        match result {
            AllowTrustResult::Success => "op_success",
            AllowTrustResult::Malformed => "op_malformed",
            AllowTrustResult::NoTrustLine => "op_no_trust",
            AllowTrustResult::TrustNotRequired => "op_not_required",
            AllowTrustResult::CantRevoke => "op_cant_revoke",
            AllowTrustResult::SelfNotAllowed => "op_self_not_allowed",
            AllowTrustResult::LowReserve => "op_low_reserve",
        }
    }

    pub(super) fn flags_set(result: &SetTrustLineFlagsResult) -> &'static str {
        match result {
            SetTrustLineFlagsResult::Success => "op_success",
            SetTrustLineFlagsResult::Malformed => "op_malformed",
            SetTrustLineFlagsResult::NoTrustLine => "op_no_trust",
            SetTrustLineFlagsResult::CantRevoke => "op_cant_revoke",
            SetTrustLineFlagsResult::InvalidState => "op_invalid_state",
            SetTrustLineFlagsResult::LowReserve => "op_low_reserve",
        }
    }
}

mod balances {
    use stellar_xdr::{ClaimClaimableBalanceResult, ClawbackClaimableBalanceResult, CreateClaimableBalanceResult};

    pub(super) fn created(result: &CreateClaimableBalanceResult) -> &'static str {
        use CreateClaimableBalanceResult as R;
        match result {
            R::Success(_) => "op_success",
            R::Malformed => "op_malformed",
            R::LowReserve => "op_low_reserve",
            R::NoTrust => "op_no_trust",
            R::NotAuthorized => "op_not_authorized",
            R::Underfunded => "op_underfunded",
        }
    }

    pub(super) fn claimed(result: &ClaimClaimableBalanceResult) -> &'static str {
        use ClaimClaimableBalanceResult as R;
        match result {
            R::Success => "op_success",
            R::DoesNotExist => "op_does_not_exist",
            R::CannotClaim => "op_cannot_claim",
            R::LineFull => "op_line_full",
            R::NoTrust => "op_no_trust",
            R::NotAuthorized => "op_not_authorized",
            R::TrustlineFrozen => "op_trustline_frozen",
        }
    }

    pub(super) fn clawed_back(result: &ClawbackClaimableBalanceResult) -> &'static str {
        use ClawbackClaimableBalanceResult as R;
        match result {
            R::Success => "op_success",
            R::DoesNotExist => "op_does_not_exist",
            R::NotIssuer => "op_no_issuer",
            R::NotClawbackEnabled => "op_not_clawback_enabled",
        }
    }
}

mod sponsoring {
    use stellar_xdr::{
        BeginSponsoringFutureReservesResult, EndSponsoringFutureReservesResult, RevokeSponsorshipResult,
    };

    pub(super) fn begun(result: &BeginSponsoringFutureReservesResult) -> &'static str {
        use BeginSponsoringFutureReservesResult as R;
        match result {
            R::Success => "op_success",
            R::Malformed => "op_malformed",
            R::AlreadySponsored => "op_already_sponsored",
            R::Recursive => "op_recursive",
        }
    }

    pub(super) fn ended(result: &EndSponsoringFutureReservesResult) -> &'static str {
        match result {
            EndSponsoringFutureReservesResult::Success => "op_success",
            EndSponsoringFutureReservesResult::NotSponsored => "op_not_sponsored",
        }
    }

    pub(super) fn revoked(result: &RevokeSponsorshipResult) -> &'static str {
        match result {
            RevokeSponsorshipResult::Success => "op_success",
            RevokeSponsorshipResult::DoesNotExist => "op_does_not_exist",
            RevokeSponsorshipResult::NotSponsor => "op_not_sponsor",
            RevokeSponsorshipResult::LowReserve => "op_low_reserve",
            RevokeSponsorshipResult::OnlyTransferable => "op_only_transferable",
            RevokeSponsorshipResult::Malformed => "op_malformed",
        }
    }
}

mod pools {
    use stellar_xdr::{LiquidityPoolDepositResult, LiquidityPoolWithdrawResult};

    pub(super) fn deposit(result: &LiquidityPoolDepositResult) -> &'static str {
        use LiquidityPoolDepositResult as R;
        match result {
            R::Success => "op_success",
            R::Malformed => "op_malformed",
            R::NoTrust => "op_no_trust",
            R::NotAuthorized => "op_not_authorized",
            R::Underfunded => "op_underfunded",
            R::LineFull => "op_line_full",
            R::BadPrice => "op_bad_price",
            R::PoolFull => "op_pool_full",
            R::TrustlineFrozen => "op_trustline_frozen",
        }
    }

    pub(super) fn withdrawal(result: &LiquidityPoolWithdrawResult) -> &'static str {
        use LiquidityPoolWithdrawResult as R;
        match result {
            R::Success => "op_success",
            R::Malformed => "op_malformed",
            R::NoTrust => "op_no_trust",
            R::Underfunded => "op_underfunded",
            R::LineFull => "op_line_full",
            R::UnderMinimum => "op_under_minimum",
            R::TrustlineFrozen => "op_trustline_frozen",
        }
    }
}

mod contracts {
    use stellar_xdr::{ExtendFootprintTtlResult, InvokeHostFunctionResult, RestoreFootprintResult};

    pub(super) fn invoked(result: &InvokeHostFunctionResult) -> &'static str {
        use InvokeHostFunctionResult as R;
        match result {
            R::Success(_) => "op_success",
            R::Malformed => "op_malformed",
            R::Trapped => "function_trapped",
            R::ResourceLimitExceeded => "resource_limit_exceeded",
            R::EntryArchived => "entry_archived",
            R::InsufficientRefundableFee => "insufficient_refundable_fee",
        }
    }

    pub(super) fn extended(result: &ExtendFootprintTtlResult) -> &'static str {
        use ExtendFootprintTtlResult as R;
        match result {
            R::Success => "op_success",
            R::Malformed => "op_malformed",
            R::ResourceLimitExceeded => "resource_limit_exceeded",
            R::InsufficientRefundableFee => "insufficient_refundable_fee",
        }
    }

    pub(super) fn restored(result: &RestoreFootprintResult) -> &'static str {
        use RestoreFootprintResult as R;
        match result {
            R::Success => "op_success",
            R::Malformed => "op_malformed",
            R::ResourceLimitExceeded => "resource_limit_exceeded",
            R::InsufficientRefundableFee => "insufficient_refundable_fee",
        }
    }
}
